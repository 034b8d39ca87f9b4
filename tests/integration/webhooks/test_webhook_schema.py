"""Whatever fits Vapi's published schema is stored exactly once and processed without a failure."""

from typing import Any
from uuid import UUID

from delivery_checks import finish, store_twice
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from inbox_probe import Inbox
from tests.support.practice import Practice
from tests.support.vapi import Call, Json, encoded, metadata_of
from tests.support.vapi_bodies import used_bodies, vapi_bodies

from clozone.kit.ids import new_id


def many(examples: int) -> settings:
    """Settings of a test whose examples become rows."""
    return settings(
        max_examples=examples,
        deadline=None,
        # A failure is found in the rows it leaves: looking for a smaller one only adds rows.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def with_metadata(body: Json, metadata: Any) -> Json:
    """The body with our ids in its call, or whatever else somebody put there."""
    call = body["message"].get("call")
    call = call if isinstance(call, dict) else {}
    return {"message": {**body["message"], "call": {**call, "metadata": metadata}}}


def test_every_body_of_the_schema(inbox: Inbox, stranger: Practice):
    stored: set[UUID] = set()
    before = inbox.count()

    @many(350)
    @given(vapi_bodies)
    def deliver(body: Json) -> None:
        stored.add(store_twice(inbox, encoded(body)))

    deliver()
    assert inbox.count() - before == len(stored) >= 250
    for event_id in stored:
        finish(inbox, event_id)
    assert inbox.sessions(stranger.org_id) == []


def test_every_report_and_status_of_the_schema_about_our_sessions(
    inbox: Inbox, practice: Practice, stranger: Practice
):
    """With true claims, with none, with those of others, and with what was already deleted."""
    stored: set[UUID] = set()
    states: set[str] = set()

    @many(150)
    @given(used_bodies, st.sampled_from(["ours", "call", "new", "forged", "unknown", "junk"]))
    def deliver(body: Json, whose: str) -> None:
        call = Call()
        metadata = {
            "ours": lambda: metadata_of(practice, practice.session()),
            "call": lambda: {"session_id": str(practice.session(vapi_call_id=call.id))},
            "new": lambda: metadata_of(practice),
            "forged": lambda: metadata_of(stranger, practice.session()),
            "unknown": lambda: {"user_id": str(new_id())},
            "junk": lambda: ["session_id"],
        }[whose]()
        body = with_metadata(body, metadata)
        body["message"]["call"]["id"] = call.id
        event = finish(inbox, store_twice(inbox, encoded(body)))
        stored.add(event.id)
        states.add(event.state)

    deliver()
    assert len(stored) >= 120
    assert states == {"processed", "ignored", "dead"}
    assert inbox.sessions(stranger.org_id) == []
    assert practice.rollup() == practice.recount()
