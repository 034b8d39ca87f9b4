"""The variants of Vapi's messages that are met in the field, and the demonstration's calls."""

import copy
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from delivery_checks import finish, store_twice
from inbox_probe import CLEAN, GRADE, Inbox
from tests.support.practice import Practice
from tests.support.vapi import STARTED_AT, TALK, Call, Json, encoded, metadata_of, spoken

from clozone.demo.content import DemoCall, demo_calls
from clozone.demo.vapi_messages import deliveries
from clozone.kit.clock import now
from clozone.kit.ids import new_id

EXAMPLE = Path(__file__).parents[2] / "data" / "vapi_end_of_call_report.example.json"
SPOKEN_TEXT = "".join(f"{'AI' if role == 'bot' else 'User'}: {text}\n" for role, text in TALK)


def variant(change: Any) -> Json:
    """A gradable report about no call in particular, changed."""
    report = Call(id="variant").report(*TALK)["message"]
    change(report)
    return report


def moved(report: Json, name: str) -> None:
    report[name] = report["artifact"].pop(name)


def as_text(report: Json, text: str = SPOKEN_TEXT, depth: str = "artifact") -> None:
    del report["artifact"]["messages"]
    (report["artifact"] if depth == "artifact" else report)["transcript"] = text


def with_roles(report: Json, **names: str) -> None:
    for entry in report["artifact"]["messages"]:
        entry["role"] = names.get(entry["role"], entry["role"])


def with_noise(report: Json) -> None:
    silent = [
        {"role": "system", "message": "You are Dana.", "time": 1_795_489_200_000},
        {"role": "tool_calls", "message": "", "toolCalls": [{}], "time": 1_795_489_210_000},
        {"role": "tool_call_result", "name": "x", "result": "{}", "time": 1_795_489_211_000},
        {"role": "tool", "content": "done"},
    ]
    report["artifact"]["messages"] = [silent[0], *report["artifact"]["messages"], *silent[1:]]


def without_times(report: Json) -> None:
    for entry in report["artifact"]["messages"]:
        for name in ("time", "endTime", "secondsFromStart"):
            del entry[name]


def in_openai_form(report: Json) -> None:
    roles = {"bot": "assistant", "user": "user"}
    report["artifact"]["messagesOpenAIFormatted"] = [
        {"role": roles[role], "content": text} for role, text in TALK
    ]
    del report["artifact"]["messages"]


NAMES = SPOKEN_TEXT.replace("AI:", "Dana:").replace("User:", "Ravi:")
GRADABLE = {
    "artifact.messages": lambda r: None,
    "message.messages": lambda r: moved(r, "messages"),
    "artifact.transcript": as_text,
    "message.transcript": lambda r: as_text(r, depth="message"),
    "names": lambda r: as_text(r, NAMES),
    "a named assistant": lambda r: (as_text(r, NAMES), r.update(assistant={"name": "Dana"})),
    "openai": in_openai_form,
    "assistant": lambda r: with_roles(r, bot="assistant"),
    "system and tools": with_noise,
    "no times": without_times,
    "message.summary": lambda r: r.update(analysis={}, summary="A talk about prices."),
    "message.recordingUrl": lambda r: moved(r, "recordingUrl"),
    "costs": lambda r: r.update(
        cost=9, costs=[{"type": "model", "cost": 0.4}, {"type": "voice", "cost": 0.0187}]
    ),
    "costBreakdown": lambda r: r.update(cost=9, costBreakdown={"llm": 0.4, "total": 0.4187}),
    "a reason of tomorrow": lambda r: r.update(endedReason="call.in-progress.error-of-tomorrow"),
    "epoch milliseconds": lambda r: r.update(
        startedAt=int(STARTED_AT.timestamp() * 1000),
        endedAt=int(STARTED_AT.timestamp() * 1000) + 36_000,
    ),
    "durationSeconds": lambda r: (r.pop("endedAt"), r.update(durationSeconds=36)),
}
NOT_GRADABLE = {
    "voicemail": lambda r: (as_text(r, ""), r.update(endedReason="voicemail")),
    "no_answer": lambda r: (as_text(r, ""), r.update(endedReason="customer-did-not-answer")),
    "empty_transcript": lambda r: r.update(artifact={}),
    "one_sided": lambda r: r.update(artifact={"messages": spoken(TALK[0])}),
    "too_short": lambda r: r.update(artifact={"messages": spoken(("bot", "Yes?"), ("user", "Hi"))}),
}
METADATA_PLACES = {
    "assistantOverrides": lambda metadata: {"assistantOverrides": {"metadata": metadata}},
    "metadata": lambda metadata: {"metadata": metadata},
    "camelCase": lambda metadata: {"metadata": {"sessionId": metadata["session_id"]}},
}


def deliver_variant(inbox: Inbox, practice: Practice, report: Json, **call: Any) -> UUID:
    """Deliver the report about a new session of ours; the session."""
    session_id = practice.session()
    about = METADATA_PLACES[call.pop("place", "metadata")](metadata_of(practice, session_id))
    report = {**copy.deepcopy(report), "call": {"id": f"call-{session_id}", **about, **call}}
    event = finish(inbox, store_twice(inbox, encoded({"message": report})))
    assert (event.state, event.session_id) == ("processed", session_id)
    return session_id


@pytest.mark.parametrize("name", GRADABLE)
def test_a_variant_of_the_field_goes_on_to_grading(inbox: Inbox, practice: Practice, name: str):
    session_id = deliver_variant(inbox, practice, variant(GRADABLE[name]))
    session = inbox.session(session_id)
    assert [turn["speaker"] for turn in session.transcript] == ["customer", "rep"] * 3
    assert [turn["text"] for turn in session.transcript] == [text for _, text in TALK]
    assert session.call_summary == "A talk about prices."
    assert session.call_cost_microdollars == 418_700
    assert session.duration_seconds == 36.0
    assert session.recording_url.startswith("https://storage.example/")
    assert len(inbox.jobs_on(session_id, GRADE)) == 1


@pytest.mark.parametrize("reason", NOT_GRADABLE)
def test_a_call_without_a_conversation_is_not_graded(inbox: Inbox, practice: Practice, reason: str):
    session_id = deliver_variant(inbox, practice, variant(NOT_GRADABLE[reason]))
    session = inbox.session(session_id)
    assert (session.status, session.not_gradable_reason) == ("not_gradable", reason)
    assert inbox.jobs_on(session_id, GRADE) == []
    assert practice.rollup() == practice.recount()


@pytest.mark.parametrize("place", METADATA_PLACES)
@pytest.mark.parametrize("call_id", [True, False], ids=["call.id", "no call.id"])
def test_our_ids_come_back_in_any_place(
    inbox: Inbox, practice: Practice, place: str, call_id: bool
):
    ids = {} if call_id else {"id": None}
    session_id = deliver_variant(inbox, practice, variant(lambda r: None), place=place, **ids)
    assert inbox.session(session_id).status == "processing"


def test_the_full_example_of_the_vendor(inbox: Inbox, practice: Practice):
    report = json.loads(EXAMPLE.read_text())["message"]
    session_id = deliver_variant(inbox, practice, {**report, "unique": str(new_id())})
    session = inbox.session(session_id)
    assert session.ended_reason == "customer-ended-call"
    assert session.call_cost_microdollars == 418_700
    assert session.recording_url_expires_at is not None
    assert len(inbox.jobs_on(session_id, CLEAN)) == 1


DEFAULT_TYPES = (
    "conversation-update",
    "function-call",
    "hang",
    "speech-update",
    "tool-calls",
    "transfer-destination-request",
    "handoff-destination-request",
    "user-interrupted",
    "assistant.started",
    "transcript",
)


@pytest.mark.parametrize("kind", DEFAULT_TYPES)
def test_a_type_we_do_not_use_is_kept_without_work(inbox: Inbox, practice: Practice, kind: str):
    session_id = practice.session()
    body = encoded(Call(metadata_of(practice, session_id)).message(kind))
    event = finish(inbox, store_twice(inbox, body))
    assert (event.message_type, event.state, event.reason) == (kind, "ignored", "type_not_used")
    assert inbox.jobs_of(event.id) == []
    assert inbox.session(session_id).status == "pending"


STATUSES = (
    "scheduled",
    "queued",
    "ringing",
    "in-progress",
    "forwarding",
    "ended",
    "not-found",
    "deletion-failed",
)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status(inbox: Inbox, practice: Practice, status: str):
    session_id = practice.session()
    event = finish(
        inbox,
        store_twice(inbox, encoded(Call(metadata_of(practice, session_id)).status(status))),
    )
    assert event.state == "processed"
    on_call = status in ("in-progress", "forwarding")
    assert inbox.session(session_id).status == ("in_progress" if on_call else "pending")


@pytest.mark.parametrize("call", demo_calls(), ids=lambda call: call.key)
def test_the_calls_of_the_demonstration(inbox: Inbox, practice: Practice, call: DemoCall):
    session_id = practice.session()
    ids = metadata_of(practice, session_id)
    for body in deliveries(call, **ids, assignment_id=None, started_at=now()):
        inbox.receive(body)
    inbox.clean(session_id)
    session = inbox.session(session_id)
    if call.expected.status == "completed":
        assert (session.status, session.not_gradable_reason) == ("processing", None)
    else:
        assert session.status == "not_gradable"
        assert session.not_gradable_reason == call.expected.reason
    assert len(inbox.jobs_on(session_id, GRADE)) == (call.expected.status == "completed")
    assert inbox.sessions(practice.org_id) == [session]
