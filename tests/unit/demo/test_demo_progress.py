from pathlib import Path
from typing import Any

import pytest

from clozone.demo.content import DemoCall, demo_calls
from clozone.demo.progress import Progress, Step

CALLS = {call.key: call for call in demo_calls()}
STRONG, VOICEMAIL = CALLS["01-discovery-strong"], CALLS["09-voicemail"]
PROMISE = CALLS["08-guaranteed-results"]


def ended(
    call: DemoCall,
    status: str = "completed",
    *,
    grade: dict[str, Any] | None = None,
    reason: str | None = None,
) -> Progress:
    entry = Progress(1, call, grade=grade or {}, scorecard=Path("card.pdf") if grade else None)
    entry.advance({"status": status, "not_gradable_reason": reason})
    return entry


def grade(score: int, passed: bool, *blockers: str) -> dict[str, Any]:
    return {
        "score": score,
        "final_score": score,
        "passed": passed,
        "blockers": [{"key": key} for key in blockers],
    }


@pytest.mark.parametrize(
    ("session", "step"),
    [
        ({"status": "pending"}, Step.SENT),
        ({"status": "in_progress", "duration_seconds": None}, Step.RECEIVED),
        ({"status": "processing", "duration_seconds": None}, Step.RECEIVED),
        ({"status": "processing", "duration_seconds": 61.5}, Step.CLEANED),
        ({"status": "completed", "duration_seconds": 61.5}, Step.GRADED),
        ({"status": "not_gradable"}, Step.GRADED),
        ({"status": "failed"}, Step.GRADED),
    ],
)
def test_the_step_follows_the_session(session: dict[str, Any], step: Step) -> None:
    entry = Progress(1, STRONG, step=Step.SENT)
    entry.advance(session)
    assert entry.step is step


def test_a_call_never_goes_a_step_back() -> None:
    entry = Progress(1, STRONG)
    entry.advance({"status": "completed"})
    entry.advance({"status": "processing"})
    assert entry.step is Step.GRADED


def test_an_expected_grade_is_no_surprise() -> None:
    assert ended(STRONG, grade=grade(90, True)).surprises() == []


def test_an_expected_blocker_is_no_surprise() -> None:
    assert ended(PROMISE, grade=grade(80, False, "honest_claims")).surprises() == []


def test_an_expected_reason_is_no_surprise() -> None:
    assert ended(VOICEMAIL, "not_gradable", reason="voicemail").surprises() == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ended(STRONG, grade=grade(20, True)), "scored 20"),
        (ended(STRONG, grade=grade(90, False)), "did not pass"),
        (ended(STRONG, grade=grade(90, True, "honest_claims")), "honest_claims"),
        (ended(PROMISE, grade=grade(80, False)), "honest_claims"),
        (ended(STRONG, "failed"), "is failed"),
        (ended(STRONG, "not_gradable", reason="one_sided"), "one_sided"),
        (ended(VOICEMAIL, grade=grade(90, True)), "is completed"),
        (ended(VOICEMAIL, "not_gradable", reason="too_short"), "too_short"),
        (Progress(1, STRONG), "is pending"),
    ],
)
def test_another_outcome_is_named(entry: Progress, words: str) -> None:
    [surprise] = entry.surprises()
    assert words in surprise


def test_a_missing_scorecard_is_named() -> None:
    entry = ended(STRONG, grade=grade(90, True))
    entry.scorecard = None
    assert entry.surprises() == ["no scorecard"]


def test_the_score_that_counts_is_the_final_one() -> None:
    entry = ended(STRONG, grade={**grade(90, True), "final_score": 75})
    assert entry.score == 75
