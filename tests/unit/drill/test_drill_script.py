from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from clozone.drill.calls import drill_calls
from clozone.drill.script import Sending, Subject, call_id, is_reordered, sendings
from clozone.webhooks.dedupe import delivery_key

STARTED_AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CALLS = drill_calls(60, organisations=2, reps=3, seed=3)
SESSION = UUID(int=4)


def postings(number: int, session_id: UUID | None = None) -> list[Sending]:
    subject = Subject(UUID(int=1), UUID(int=2), UUID(int=3), session_id)
    return sendings(CALLS[number], subject, "drill-x", STARTED_AT, seed=3)


ALL = [sending for number in range(len(CALLS)) for sending in postings(number)]


def platforms_key(body: dict[str, Any]) -> str:
    message = body["message"]
    return delivery_key(message["type"], message["call"]["id"], message)


def test_the_drill_counts_messages_as_the_platform_does() -> None:
    by_ours = defaultdict(set)
    for sending in ALL:
        by_ours[sending.key].add(platforms_key(sending.body))
    assert all(len(theirs) == 1 for theirs in by_ours.values())
    assert len({key for (key,) in by_ours.values()}) == len(by_ours)


def test_every_call_has_one_report() -> None:
    reports = {key for key, *_ in (s.key for s in ALL if s.key[1] == "end-of-call-report")}
    assert reports == {call_id("drill-x", call) for call in CALLS}


def test_repeated_reports_are_signed_anew() -> None:
    bodies = defaultdict(list)
    for sending in ALL:
        if sending.key[1] == "end-of-call-report":
            bodies[sending.key].append(sending.body)
    repeated = [found for found in bodies.values() if len(found) > 1]
    assert repeated
    assert all(first != second for first, second, *_ in repeated)


def test_messages_come_again_at_once_soon_late_and_long_after() -> None:
    first: dict[Any, float] = {}
    delays = []
    for sending in ALL:
        if sending.key in first:
            delays.append(None if sending.offset is None else sending.offset - first[sending.key])
        else:
            assert sending.offset is not None
            first[sending.key] = sending.offset
    told = [delay for delay in delays if delay is not None]
    assert None in delays
    assert min(told) == 0.0
    assert max(told) > 5.0


def test_some_calls_are_reordered_and_some_are_not() -> None:
    assert {is_reordered(postings(number)) for number in range(len(CALLS))} == {True, False}


@pytest.mark.parametrize("session_id", [None, SESSION])
def test_a_session_is_named_only_where_there_is_one(session_id: UUID | None) -> None:
    for sending in postings(0, session_id):
        call = sending.body["message"]["call"]
        metadata = call.get("metadata") or call["assistantOverrides"]["metadata"]
        assert metadata.get("session_id") == (str(session_id) if session_id else None)
        assert metadata["user_id"] == str(UUID(int=2))
