from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from clozone.demo.content import Delivery, DemoCall, Expected, demo_calls, demo_templates
from clozone.sessions.gradability import why_not_gradable
from clozone.sessions.transcript import Turn

CALLS = demo_calls()
by_key = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.key)


def find(key: str) -> DemoCall:
    return next(call for call in CALLS if call.key.endswith(key))


def spoken(call: DemoCall) -> list[Turn]:
    return [
        Turn(index, turn.speaker, turn.text, turn.start, turn.end)
        for index, turn in enumerate(call.turns)
    ]


def test_there_are_enough_and_each_has_its_own_key_and_title() -> None:
    assert len(CALLS) >= 14
    assert len({call.key for call in CALLS}) == len(CALLS)
    assert len({call.title for call in CALLS}) == len(CALLS)


@by_key
def test_its_template_exists(call: DemoCall) -> None:
    assert call.template in {template.key for template in demo_templates()}


@by_key
def test_its_turns_begin_in_order(call: DemoCall) -> None:
    assert all(before.start <= after.start for before, after in pairwise(call.turns))
    assert all(turn.start < turn.end for turn in call.turns)


@by_key
def test_only_the_interrupted_call_overlaps(call: DemoCall) -> None:
    overlaps = sum(after.start < before.end for before, after in pairwise(call.turns))
    assert overlaps >= 5 if call.mood == "interrupted" else overlaps == 0


@by_key
def test_it_reports_its_end(call: DemoCall) -> None:
    assert "end-of-call-report" in {delivery.type for delivery in call.deliveries}


@by_key
def test_expected_blockers_are_rules_of_its_template(call: DemoCall) -> None:
    template = next(found for found in demo_templates() if found.key == call.template)
    rules = {c["key"] for c in template.rubric["criteria"] if c["kind"] == "compliance"}
    assert set(call.expected.blockers) <= rules


@by_key
def test_the_platform_agrees_on_what_can_be_graded(call: DemoCall) -> None:
    reason = why_not_gradable(spoken(call), call.ended_reason, call.duration_seconds)
    assert reason == call.expected.reason


def test_three_languages_are_spoken() -> None:
    assert {call.language for call in CALLS} == {"en", "es", "de"}


def test_the_very_long_call_is_very_long() -> None:
    call = find("very-long")
    assert call.duration_seconds > 40 * 60
    assert len(call.turns) > 200


def test_one_call_is_reported_before_it_begins_and_more_than_once() -> None:
    kinds = [delivery.type for delivery in find("late-and-twice").deliveries]
    assert kinds.count("end-of-call-report") > 1
    assert kinds.index("end-of-call-report") < kinds.index("status-update")


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "completed"},
        {"status": "completed", "score": [1, 2], "reason": "voicemail"},
        {"status": "not_gradable"},
        {"status": "not_gradable", "reason": "voicemail", "score": [1, 2]},
    ],
)
def test_an_outcome_is_a_score_or_a_reason(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Expected.model_validate(wrong)


@pytest.mark.parametrize("wrong", [{"type": "status-update"}, {"type": "hang", "status": "ended"}])
def test_only_status_updates_carry_a_status(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Delivery.model_validate(wrong)
