"""Cutting a long call loses no words; merging loses no evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.grading.evidence import (
    BetterLine,
    CriterionEvidence,
    Evidence,
    Finding,
    Quote,
)
from clozone.grading.excerpt import (
    TOKENS_AROUND_A_TURN,
    estimated_tokens,
    merge,
    windows,
)
from clozone.grading.quotes import normalise
from clozone.sessions.transcript import Turn


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("word", 1), ("words", 2), ("бюджет", 3), ("预算是多少", 4)]
)
def test_tokens_are_estimated_by_bytes(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


def test_a_short_call_is_one_window(turns: list[Turn]) -> None:
    assert windows(turns, 24_000) == (tuple(turns),)
    assert windows([], 24_000) == ()


def test_windows_share_their_border_turns() -> None:
    turns = [Turn(n, "rep", "word " * 20) for n in range(10)]
    cost = estimated_tokens(turns[0].text) + TOKENS_AROUND_A_TURN
    cut = windows(turns, cost * 4)
    assert [[turn.index for turn in window] for window in cut] == [
        [0, 1, 2, 3],
        [2, 3, 4, 5],
        [4, 5, 6, 7],
        [6, 7, 8, 9],
    ]


def test_a_monologue_is_cut_at_sentences() -> None:
    speech = Turn(3, "rep", "One two three four five six. " * 40, 10.0, 90.0)
    cut = windows([speech], 100)
    pieces = [piece for window in cut for piece in window]
    assert len(pieces) > 1
    assert all((p.index, p.start, p.end) == (3, 10.0, 90.0) for p in pieces)
    assert all(p.text.endswith("six.") for p in pieces)


def test_a_window_too_small_for_a_turn_is_refused() -> None:
    with pytest.raises(ValueError, match="20 tokens"):
        windows([Turn(0, "rep", "hello")], 20)


speech = st.text(alphabet="ab é预。. !\n", max_size=400)


@given(st.lists(st.tuples(st.sampled_from(["rep", "customer"]), speech)), st.integers(40, 400))
def test_no_window_is_too_long_and_no_word_is_lost(said: list[tuple[str, str]], limit: int) -> None:
    turns = [Turn(n, who, text) for n, (who, text) in enumerate(said)]  # type: ignore[arg-type]
    cut = windows(turns, limit)
    for window in cut:
        used = sum(estimated_tokens(t.text) + TOKENS_AROUND_A_TURN for t in window)
        assert used <= limit
        assert [t.index for t in window] == sorted(t.index for t in window)
    letters: dict[int, str] = {turn.index: "" for turn in turns}
    last: tuple[Turn, ...] = ()
    for window in cut:
        shared = next(n for n in (2, 1, 0) if last[len(last) - n :] == window[:n])
        for piece in window[shared:]:
            letters[piece.index] += normalise(piece.text).replace(" ", "")
        last = window
    assert letters == {turn.index: normalise(turn.text).replace(" ", "") for turn in turns}


def finding(item: str, observed: bool, *quotes: tuple[int, str], note: str = "") -> Finding:
    return Finding(
        item=item,
        observed=observed,
        quotes=tuple(Quote(turn=turn, text=text) for turn, text in quotes),
        note=note,
    )


def part(
    *criteria: CriterionEvidence, language: str = "en", summary: str = "", **texts: tuple[str, ...]
) -> Evidence:
    return Evidence(
        language=language,
        summary=summary,
        criteria=criteria,
        strengths=texts.get("strengths", ()),
        next_steps=texts.get("next_steps", ()),
        better_lines=(BetterLine(turn=1, said="Um.", better="Yes."),),
    )


def criterion(key: str, *findings: Finding, level: int | None = None) -> CriterionEvidence:
    return CriterionEvidence(key=key, level=level, findings=findings)


def test_one_part_is_itself() -> None:
    only = part(criterion("a", finding("a", True, (0, "x"))))
    assert merge([only]) is only


def test_what_any_window_observed_is_observed_with_all_quotes() -> None:
    merged = merge(
        [
            part(
                criterion(
                    "a", finding("x", False, note="Not asked."), finding("y", True, (1, "why"))
                )
            ),
            part(criterion("a", finding("x", True, (7, "So?"), note="Asked."))),
            part(criterion("a", finding("x", True, (7, "so"), (9, "And?"), note="Again."))),
        ]
    )
    assert merged.criteria == (
        criterion(
            "a",
            finding("x", True, (7, "So?"), (9, "And?"), note="Asked. Again."),
            finding("y", True, (1, "why")),
        ),
    )


def test_a_scale_is_the_mean_weighed_by_quotes() -> None:
    merged = merge(
        [
            part(criterion("r", finding("r", True, (0, "a"), (1, "b"), (2, "c")), level=9)),
            part(criterion("r", finding("r", True, (5, "d")), level=4)),
            part(criterion("r", finding("r", False), level=1)),
        ]
    )
    assert merged.criteria[0].level == 8  # 31 / 4, up


def test_a_scale_that_no_window_quotes_keeps_the_highest_claim() -> None:
    merged = merge([part(criterion("r", level=1)), part(criterion("r", level=3))])
    assert merged.criteria[0].level == 3


def test_texts_are_kept_once_and_the_language_is_the_most_spoken() -> None:
    merged = merge(
        [
            part(language="en", summary="First.", strengths=("Warm",), next_steps=("Ask",)),
            part(language="es", summary="Second.", strengths=("Warm", "Clear")),
            part(language="es", summary="Second.", next_steps=("Close",)),
        ]
    )
    assert merged.language == "es"
    assert merged.summary == "First. Second."
    assert merged.strengths == ("Warm", "Clear")
    assert merged.next_steps == ("Ask", "Close")
    assert merged.better_lines == (BetterLine(turn=1, said="Um.", better="Yes."),)
