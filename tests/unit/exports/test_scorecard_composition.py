"""From a grade, as the grading slice stores it, to what is printed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from clozone.exports.composition import scorecard_of
from clozone.exports.facts import ScorecardFacts
from clozone.exports.scorecard import CardItem, CardReview, Quote, TalkSegment
from clozone.exports.service import file_name
from clozone.grading.evidence import CriterionEvidence, Evidence, Finding
from clozone.grading.evidence import Quote as Claim
from clozone.grading.scoring import score
from clozone.sessions.transcript import Turn
from clozone.training.rubric import Rubric

RUBRIC = Rubric.model_validate(
    {
        "pass_score": 70,
        "criteria": [
            {
                "key": "discovery",
                "name": "Discovery",
                "kind": "checklist",
                "weight": 50,
                "items": [
                    {"key": "budget", "text": "Asks about the budget"},
                    {"key": "decider", "text": "Asks who decides"},
                ],
            },
            {"key": "rapport", "name": "Rapport", "kind": "scale", "weight": 30},
            {"key": "next_step", "name": "Next step", "kind": "yes_no", "weight": 20},
            {
                "key": "honest",
                "name": "Honest claims",
                "kind": "compliance",
                "rule": "must_not_say",
            },
            {"key": "recording", "name": "Recording", "kind": "compliance", "rule": "must_say"},
        ],
    }
)
TURNS = [
    Turn(0, "rep", "What budget do you have?", 1.0, 3.0),
    Turn(1, "customer", "Four thousand.", None, None),
    Turn(2, "rep", "We guarantee that you save half.", 72.5, 75.0),
]


def finding(item: str, *quotes: tuple[int, str], note: str = "") -> Finding:
    claims = tuple(Claim(turn=turn, text=text) for turn, text in quotes)
    return Finding(item=item, observed=True, quotes=claims, note=note)


EVIDENCE = Evidence(
    language="en",
    summary="",
    criteria=(
        CriterionEvidence(
            key="discovery",
            level=None,
            findings=(
                finding("budget", (0, "What budget do you have?")),
                finding("decider", (0, "Who else signs this off?")),
            ),
        ),
        CriterionEvidence(
            key="rapport",
            level=7,
            findings=(finding("rapport", (0, "What budget do you have?"), note="Direct."),),
        ),
        CriterionEvidence(
            key="next_step", level=None, findings=(finding("next_step", (2, "Thursday at ten?")),)
        ),
        CriterionEvidence(
            key="honest", level=None, findings=(finding("honest", (2, "We guarantee")),)
        ),
    ),
    strengths=(),
    next_steps=(),
    better_lines=(),
)


def facts(**changes: Any) -> ScorecardFacts:
    scored = score(RUBRIC, EVIDENCE, TURNS)
    whole = ScorecardFacts(
        session_id=UUID(int=7),
        organisation="Northwind",
        rep_name="Maya Chen",
        scenario="Cold call",
        called_at=datetime(2026, 11, 24, 9, 4, tzinfo=UTC),
        duration_seconds=75.0,
        transcript=[
            {name: getattr(turn, name) for name in ("index", "speaker", "text", "start", "end")}
            for turn in TURNS
        ],
        metrics={"talk_ratio": 0.6, "interactivity": 4.5},
        score=scored.score,
        passed=scored.passed,
        pass_score=70,
        override_score=None,
        criteria=scored.criteria_json(),
        blockers=scored.blockers_json(),
        summary="",
        strengths=[],
        next_steps=[],
        better_lines=[],
        model="gpt-6-luna",
        prompt_version="evidence-1",
        graded_at=datetime(2026, 11, 24, 9, 12, tzinfo=UTC),
        reviewer=None,
        review_comment=None,
        overrider=None,
        override_comment=None,
    )
    return replace(whole, **changes)


def test_each_kind_of_criterion_shows_its_own_result():
    discovery, rapport, next_step, honest, recording = scorecard_of(facts()).criteria

    assert discovery.items == (
        CardItem("Asks about the budget", observed=True),
        CardItem("Asks who decides", observed=False, unsupported=True),
    )
    assert discovery.quotes == (Quote("What budget do you have?", 1.0),)
    assert (discovery.points, discovery.weight, discovery.unsupported) == (25.0, 50, False)
    assert (rapport.level, rapport.note, rapport.items) == (7, "Direct.", ())
    assert (next_step.observed, next_step.unsupported) == (False, True)
    assert (honest.broken, honest.quotes) == (True, (Quote("We guarantee", 72.5),))
    assert (recording.broken, recording.quotes) == (True, ())


def test_blockers_say_what_was_said_and_when_or_what_was_missing():
    assert scorecard_of(facts()).blockers == (
        "Honest claims at 01:12: “We guarantee”",
        "Recording: this has to be said in every call, and was not.",
    )


def test_a_turn_without_times_is_not_drawn():
    assert scorecard_of(facts()).talk_strip == (
        TalkSegment(1.0, 3.0, "rep"),
        TalkSegment(72.5, 75.0, "rep"),
    )


def test_a_better_line_gets_the_time_of_its_turn_if_there_is_such_a_turn():
    lines = [{"turn": turn, "said": "So.", "better": "And?"} for turn in (2, 1, 99)]
    shown = scorecard_of(facts(better_lines=lines)).better_lines
    assert [line.at for line in shown] == [72.5, None, None]


def test_measures_that_are_not_known_stay_unknown():
    metrics = scorecard_of(facts()).metrics
    assert (metrics.talk_ratio, metrics.turn_switches_per_minute) == (0.6, 4.5)
    assert metrics.questions is None


def test_a_review_replaces_the_score_only_with_an_override():
    commented = scorecard_of(facts(reviewer="Ada Ruiz", review_comment="Slow down."))
    overridden = scorecard_of(
        facts(reviewer="Ada Ruiz", review_comment="Slow down.", override_score=90)
    )
    assert (commented.score, commented.overridden) == (commented.ai_score, False)
    assert (overridden.score, overridden.overridden) == (90, True)


def test_a_later_comment_does_not_pass_for_the_review_that_set_the_score():
    card = scorecard_of(
        facts(
            reviewer="Bo Lind",
            review_comment="Mind the pace.",
            overrider="Ada Ruiz",
            override_comment="Well sold.",
            override_score=90,
        )
    )
    assert card.review == CardReview("Ada Ruiz", "Well sold. Bo Lind adds: Mind the pace.", 90)


def test_the_hash_changes_with_anything_on_the_page_and_with_nothing_else():
    assert facts().content_hash() == facts().content_hash()
    changed = [
        facts(),
        facts(override_score=90),
        facts(reviewer="Ada Ruiz"),
        facts(review_comment="Good."),
        facts(rep_name="Maya Chen-Ruiz"),
        facts(metrics={}),
        facts(criteria=facts().criteria[:1]),
    ]
    assert len({each.content_hash() for each in changed}) == len(changed)


def test_files_are_named_after_the_rep_and_the_day():
    night = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
    assert file_name("Maya Chen", night) == "scorecard-maya-chen-2026-11-24.pdf"
    assert file_name("Łukasz  O'Neill", night) == "scorecard-łukasz-o-neill-2026-11-24.pdf"
    assert file_name("../..", night) == "scorecard-2026-11-24.pdf"
    assert len(file_name("W" * 300, night)) < 100
