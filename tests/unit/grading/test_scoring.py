"""Points follow from supported evidence alone, by exact arithmetic."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.grading.evidence import CriterionEvidence, Evidence, Finding, Quote
from clozone.grading.scoring import half_up, score
from clozone.sessions.transcript import Turn
from clozone.training.rubric import Rubric


def finding(item: str, *quotes: tuple[int, str], observed: bool = True) -> Finding:
    return Finding(
        item=item,
        observed=observed,
        quotes=tuple(Quote(turn=turn, text=text) for turn, text in quotes),
        note="",
    )


def criterion(key: str, *findings: Finding, level: int | None = None) -> CriterionEvidence:
    return CriterionEvidence(key=key, level=level, findings=findings)


def evidence(*criteria: CriterionEvidence) -> Evidence:
    return Evidence(
        language="en",
        summary="",
        criteria=criteria,
        strengths=(),
        next_steps=(),
        better_lines=(),
    )


RECORDED = criterion("recording", finding("recording", (0, "this call is recorded")))
BUDGET = finding("budget", (2, "What's your budget"))
DECIDER = finding("decider", (2, "who decides"))
RAPPORT = finding("rapport", (4, "I hear you"))
TUESDAY = finding("next_step", (4, "Let's meet on Tuesday at ten"))
GUARANTEE = finding("no_guarantee", (5, "We guarantee double the revenue"))


def test_each_kind_earns_its_share(rubric: Rubric, turns: list[Turn]) -> None:
    call = score(
        rubric,
        evidence(
            criterion("discovery", BUDGET, DECIDER, finding("timing", observed=False)),
            criterion("rapport", RAPPORT, level=4),
            criterion("next_step", TUESDAY),
            RECORDED,
        ),
        turns,
    )
    assert [c.points for c in call.criteria] == [Fraction(100, 3), 10, 20, 0, 0]
    assert call.score == 63  # 63 1/3
    assert not call.passed
    assert call.blockers == ()
    assert call.unsupported == ()


def test_quotes_carry_the_turn_and_the_time(rubric: Rubric, turns: list[Turn]) -> None:
    call = score(rubric, evidence(criterion("next_step", TUESDAY)), turns)
    [quote] = call.criteria[2].items[0].quotes
    assert (quote.turn, quote.start, quote.text) == (4, 12.5, "Let's meet on Tuesday at ten")


def test_a_call_passes_at_the_pass_score(rubric: Rubric, turns: list[Turn]) -> None:
    found = evidence(
        criterion("discovery", BUDGET, DECIDER, finding("timing", (4, "Tuesday at ten"))),
        criterion("next_step", TUESDAY),
        RECORDED,
    )
    assert (score(rubric, found, turns).score, score(rubric, found, turns).passed) == (70, True)
    stricter = rubric.model_copy(update={"pass_score": 71})
    assert not score(stricter, found, turns).passed


def test_a_forbidden_word_fails_the_call_whatever_the_score(
    rubric: Rubric, turns: list[Turn]
) -> None:
    call = score(
        rubric,
        evidence(
            criterion("discovery", BUDGET, DECIDER, finding("timing", (4, "Tuesday"))),
            criterion("rapport", RAPPORT, level=10),
            criterion("next_step", TUESDAY),
            criterion("no_guarantee", GUARANTEE),
            RECORDED,
        ),
        turns,
    )
    assert call.score == 100
    assert not call.passed
    [blocker] = call.blockers
    assert (blocker.key, blocker.rule) == ("no_guarantee", "must_not_say")
    assert blocker.quotes[0].turn == 5


def test_what_must_be_said_and_was_not_is_a_blocker(rubric: Rubric, turns: list[Turn]) -> None:
    for said in ((), (criterion("recording", finding("recording", (0, "we record it"))),)):
        call = score(rubric, evidence(*said), turns)
        assert [(b.key, b.quotes) for b in call.blockers] == [("recording", ())]


def test_an_invented_violation_is_no_blocker(rubric: Rubric, turns: list[Turn]) -> None:
    invented = finding("no_guarantee", (4, "we guarantee a refund"))
    call = score(rubric, evidence(criterion("no_guarantee", invented), RECORDED), turns)
    assert call.blockers == ()
    assert [item.key for item in call.unsupported] == ["no_guarantee"]


def test_a_claim_without_a_true_quote_is_not_observed_and_marked(
    rubric: Rubric, turns: list[Turn]
) -> None:
    call = score(
        rubric,
        evidence(
            criterion(
                "discovery",
                finding("budget", (1, "We have a budget of ten thousand")),
                finding("timing", (2, "When do you need it?")),
                finding("decider"),
            )
        ),
        turns,
    )
    discovery = call.criteria[0]
    assert discovery.points == 0
    assert discovery.unsupported
    assert [item.unsupported for item in discovery.items] == [True, True, True]
    assert [[q.reason for q in item.unsupported_quotes] for item in discovery.items] == [
        ["said_by_customer"],
        ["not_in_transcript"],
        [],
    ]


def test_one_true_quote_among_false_ones_is_enough(rubric: Rubric, turns: list[Turn]) -> None:
    mixed = finding("next_step", (1, "See you on Friday"), (4, "meet on Tuesday"))
    [item] = score(rubric, evidence(criterion("next_step", mixed)), turns).criteria[2].items
    assert item.observed
    assert not item.unsupported
    assert [quote.text for quote in item.quotes] == ["meet on Tuesday"]
    assert [quote.text for quote in item.unsupported_quotes] == ["See you on Friday"]


@pytest.mark.parametrize(
    ("level", "quotes", "expected", "unsupported"),
    [
        (10, [(4, "I hear you")], 10, False),
        (10, [(4, "I feel you")], 1, True),
        (10, [], 1, True),
        (1, [], 1, False),
        (None, [(4, "I hear you")], 1, False),
    ],
)
@pytest.mark.parametrize("observed", [True, False])
def test_a_level_stands_on_its_quotes(
    rubric: Rubric,
    turns: list[Turn],
    level: int | None,
    quotes: list[tuple[int, str]],
    expected: int,
    unsupported: bool,
    observed: bool,
) -> None:
    told = criterion("rapport", finding("rapport", *quotes, observed=observed), level=level)
    scored = score(rubric, evidence(told), turns).criteria[1]
    assert scored.level == expected
    assert scored.points == Fraction(30 * (expected - 1), 9)
    assert scored.unsupported is unsupported


def test_a_level_without_any_finding_counts_as_level_1(rubric: Rubric, turns: list[Turn]) -> None:
    scored = score(rubric, evidence(criterion("rapport", level=9)), turns).criteria[1]
    assert (scored.level, scored.claimed_level, scored.unsupported) == (1, 9, True)


def test_what_is_not_in_the_rubric_earns_nothing(rubric: Rubric, turns: list[Turn]) -> None:
    call = score(
        rubric,
        evidence(
            criterion("charm", finding("charm", (4, "I hear you")), level=10),
            criterion("discovery", finding("weather", (4, "I hear you"))),
        ),
        turns,
    )
    assert call.score == 0
    assert len(call.criteria) == 5


def test_the_json_of_a_grade_is_plain(rubric: Rubric, turns: list[Turn]) -> None:
    call = score(
        rubric,
        evidence(criterion("discovery", BUDGET), criterion("no_guarantee", GUARANTEE)),
        turns,
    )
    discovery = call.criteria_json()[0]
    assert discovery["points"] == 16.67
    assert discovery["items"][0]["quotes"] == [
        {"turn": 2, "text": "What's your budget", "start": 8.0}
    ]
    assert [blocker["key"] for blocker in call.blockers_json()] == ["no_guarantee", "recording"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(Fraction(1, 2), 1), (Fraction(3, 2), 2), (Fraction(5, 2), 3), (Fraction(49, 100), 0)],
)
def test_halves_go_up(value: Fraction, expected: int) -> None:
    assert half_up(value) == expected


# Properties over random rubrics and evidence.

SAID = [Turn(0, "rep", "one two three"), Turn(1, "customer", "four")]
TRUE_QUOTE, FALSE_QUOTE = (0, "two"), (1, "four")


@st.composite
def rubrics(draw: st.DrawFn) -> Rubric:
    cuts = sorted(draw(st.lists(st.integers(0, 100), max_size=6)))
    weights = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
    criteria: list[dict[str, Any]] = []
    for number, weight in enumerate(weights):
        kind = draw(st.sampled_from(["checklist", "scale", "yes_no"]))
        body = {"key": f"c{number}", "name": "c", "kind": kind, "weight": weight}
        if kind == "checklist":
            count = draw(st.integers(1, 12))
            body["items"] = [{"key": f"i{n}", "text": "i"} for n in range(count)]
        criteria.append(body)
    return Rubric.model_validate({"pass_score": draw(st.integers(0, 100)), "criteria": criteria})


@st.composite
def answers(draw: st.DrawFn, rubric: Rubric) -> Evidence:
    return evidence(
        *(
            criterion(
                part.key,
                *(
                    finding(
                        key,
                        *draw(st.lists(st.sampled_from([TRUE_QUOTE, FALSE_QUOTE]), max_size=2)),
                        observed=draw(st.booleans()),
                    )
                    for key in part.item_keys
                ),
                level=draw(st.integers(1, 10)) if part.kind == "scale" else None,
            )
            for part in rubric.criteria
        )
    )


@given(st.data())
def test_the_score_is_the_rounded_sum_of_points_within_0_and_100(data: st.DataObject) -> None:
    rubric = data.draw(rubrics())
    call = score(rubric, data.draw(answers(rubric)), SAID)
    assert 0 <= call.score <= 100
    assert all(0 <= c.points <= c.weight for c in call.criteria)
    assert abs(call.score - sum(c.points for c in call.criteria)) <= Fraction(1, 2)
    assert call.passed == (call.score >= rubric.pass_score)


@given(st.data())
def test_everything_observed_is_100_and_nothing_is_0(data: st.DataObject) -> None:
    rubric = data.draw(rubrics())
    everything = evidence(
        *(
            criterion(c.key, *(finding(key, TRUE_QUOTE) for key in c.item_keys), level=10)
            for c in rubric.criteria
        )
    )
    assert score(rubric, everything, SAID).score == 100
    assert score(rubric, evidence(), SAID).score == 0


@given(st.data())
def test_more_observed_never_lowers_the_score(data: st.DataObject) -> None:
    rubric = data.draw(rubrics())
    before = data.draw(answers(rubric))
    part = data.draw(st.sampled_from(rubric.criteria))
    key = data.draw(st.sampled_from(part.item_keys))
    old = next(answer for answer in before.criteria if answer.key == part.key)
    better = old.model_copy(
        update={
            "findings": (
                *(f for f in old.findings if f.item != key),
                finding(key, TRUE_QUOTE),
            ),
            "level": None if old.level is None else min(10, old.level + 1),
        }
    )
    after = before.model_copy(
        update={
            "criteria": tuple(better if answer is old else answer for answer in before.criteria)
        }
    )
    assert score(rubric, after, SAID).score >= score(rubric, before, SAID).score


@given(st.data())
def test_order_of_findings_and_criteria_does_not_matter(data: st.DataObject) -> None:
    rubric = data.draw(rubrics())
    given_order = data.draw(answers(rubric))
    turned = evidence(
        *(
            answer.model_copy(update={"findings": answer.findings[::-1]})
            for answer in given_order.criteria[::-1]
        )
    )
    assert score(rubric, turned, SAID) == score(rubric, given_order, SAID)
