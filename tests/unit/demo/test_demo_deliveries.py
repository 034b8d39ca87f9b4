import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clozone.demo.content import DemoCall, demo_calls
from clozone.demo.vapi_messages import deliveries

CALLS = demo_calls()
STARTED_AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SCHEMA = Path(__file__).parents[2] / "data" / "vapi_server_messages.schema.json"
# The published schema leaves this type out, and demands the call's id of every call.
BEYOND_THE_SCHEMA = {"assistant.started"}

by_key = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.key)


def bodies(call: DemoCall, assignment_id: str | None = None) -> list[dict[str, Any]]:
    return deliveries(
        call,
        session_id="session-1",
        org_id="org-1",
        user_id="user-1",
        template_id="template-1",
        assignment_id=assignment_id,
        started_at=STARTED_AT,
    )


def reports(call: DemoCall) -> list[dict[str, Any]]:
    messages = [body["message"] for body in bodies(call)]
    return [message for message in messages if message["type"] == "end-of-call-report"]


def metadata(message: dict[str, Any]) -> dict[str, str]:
    call = message["call"]
    found: dict[str, str] = call.get("metadata") or call["assistantOverrides"]["metadata"]
    return found


def find(key: str) -> DemoCall:
    return next(call for call in CALLS if call.key.endswith(key))


@by_key
def test_every_delivery_is_json_and_carries_our_metadata(call: DemoCall) -> None:
    sent = bodies(call, assignment_id="assignment-1")
    assert json.loads(json.dumps(sent)) == sent
    assert [body["message"]["type"] for body in sent] == [d.type for d in call.deliveries]
    for body in sent:
        assert metadata(body["message"]) == {
            "session_id": "session-1",
            "org_id": "org-1",
            "user_id": "user-1",
            "template_id": "template-1",
            "assignment_id": "assignment-1",
        }


def test_without_an_assignment_the_metadata_name_none() -> None:
    assert "assignment_id" not in metadata(reports(CALLS[0])[0])


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call.payload.call_id], ids=lambda call: call.key
)
def test_vapis_own_schema_accepts_it(call: DemoCall) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for body in bodies(call):
        if body["message"]["type"] not in BEYOND_THE_SCHEMA:
            validator.validate(body)


@by_key
def test_the_same_call_is_always_told_the_same(call: DemoCall) -> None:
    assert bodies(call) == bodies(call)


def test_repeated_reports_differ_only_in_what_is_signed_anew() -> None:
    first, *others = reports(find("late-and-twice"))
    for other in others:
        signed = {
            key for key, value in first["artifact"].items() if other["artifact"][key] != value
        }
        assert signed == {"presignedMonoUrl", "presignedStereoUrl", "presignedUrlsExpiresAt"}
        assert {key for key in first if other[key] != first[key]} == {
            "artifact",
            "call",
            "timestamp",
        }
        assert first["call"]["id"] == other["call"]["id"]


def test_times_are_milliseconds_from_the_start_of_the_call() -> None:
    call = CALLS[0]
    [report] = reports(call)
    instructions, first, *_ = report["artifact"]["messages"]
    assert instructions["role"] == "system"
    assert first["time"] == STARTED_AT.timestamp() * 1000 + call.turns[0].start * 1000
    assert first["endTime"] - first["time"] == first["duration"]


def test_the_rep_is_the_user_and_the_customer_the_bot() -> None:
    call = CALLS[0]
    [report] = reports(call)
    roles = {"rep": "user", "customer": "bot"}
    told = [message["role"] for message in report["artifact"]["messages"][1:]]
    assert told == [roles[turn.speaker] for turn in call.turns]


def test_a_call_may_come_without_its_id() -> None:
    [report] = reports(find("no-call-id"))
    assert "id" not in report["call"]
    assert report["call"]["metadata"]["session_id"] == "session-1"


def test_a_call_may_come_as_text_only() -> None:
    call = find("transcript-text-only")
    [report] = reports(call)
    assert "messages" not in report["artifact"]
    lines = report["artifact"]["transcript"].splitlines()
    assert lines[0] == f"Priya: {call.turns[0].text}"
    assert len(lines) == len(call.turns)


def test_a_call_may_come_as_messages_only_and_outside_the_artifact() -> None:
    [report] = reports(find("messages-only"))
    assert "transcript" not in report
    assert report["artifact"] == {}
    assert {message["role"] for message in report["messages"]} == {"system", "assistant", "user"}


@pytest.mark.parametrize(
    ("form", "members"),
    [("list", {"cost", "costs"}), ("breakdown", {"cost", "costBreakdown"}), ("total", {"cost"})],
)
def test_costs_come_in_three_forms(form: str, members: set[str]) -> None:
    call = next(call for call in CALLS if call.payload.costs == form)
    [report] = reports(call)
    assert {key for key in report if key.startswith("cost")} == members
    assert report["cost"] > 0


def test_the_parts_of_a_cost_add_up() -> None:
    [report] = reports(CALLS[0])
    assert report["cost"] == pytest.approx(sum(item["cost"] for item in report["costs"]))


def test_interruptions_are_counted() -> None:
    [report] = reports(find("talking-over-each-other"))
    metrics = report["artifact"]["performanceMetrics"]
    assert metrics["numUserInterrupted"] + metrics["numAssistantInterrupted"] >= 5


def test_conversation_updates_tell_how_far_the_talk_has_come() -> None:
    call = CALLS[0]
    updates = [
        body["message"] for body in bodies(call) if body["message"]["type"] == "conversation-update"
    ]
    assert len(updates[0]["messagesOpenAIFormatted"]) == 1 + 8
