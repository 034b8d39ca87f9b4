"""The webhooks Vapi would send for a written call, in the shapes met in the field."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from clozone.demo.content import Delivery, DemoCall
from clozone.demo.vapi_artifact import artifact, conversation
from clozone.demo.vapi_costs import costs
from clozone.kit.clock import iso

Json = dict[str, Any]
# Vapi finishes its analysis and uploads the recording before it reports.
REPORT_DELAY_SECONDS = 2.4


def deliveries(
    call: DemoCall,
    *,
    session_id: str,
    org_id: str,
    user_id: str,
    template_id: str,
    assignment_id: str | None,
    started_at: datetime,
) -> list[Json]:
    """The bodies to post, in the order of the call's script.

    `started_at` is an aware time. Repeated reports differ in what Vapi signs anew each time: the
    presigned addresses and the moment of sending.
    """
    metadata = {
        "session_id": session_id,
        "org_id": org_id,
        "user_id": user_id,
        "template_id": template_id,
    }
    if assignment_id is not None:
        metadata["assignment_id"] = assignment_id
    reports = _Reports(call, metadata, started_at)
    return [
        {"message": reports.message(delivery, number)}
        for number, delivery in zip(count(1), call.deliveries)
    ]


class _Reports:
    """Builds the messages of one call."""

    def __init__(self, call: DemoCall, metadata: Json, started_at: datetime) -> None:
        self.call = call
        self.metadata = metadata
        self.started_at = started_at
        self.ended_at = started_at + timedelta(seconds=call.duration_seconds)
        self.call_id = str(uuid5(NAMESPACE_URL, metadata["session_id"]))

    def message(self, delivery: Delivery, number: int) -> Json:
        sent_at = self._sent_at(delivery) + timedelta(milliseconds=137 * number)
        bodies: dict[str, Callable[[], Json]] = {
            "assistant.started": lambda: {},
            "conversation-update": lambda: conversation(
                self.call, self.started_at, delivery.turns or len(self.call.turns)
            ),
            "end-of-call-report": lambda: self._report(sent_at, number),
            "hang": lambda: {},
            "speech-update": lambda: {"status": "started", "role": "assistant", "turn": 0},
            "status-update": lambda: self._status(delivery),
            "user-interrupted": lambda: {},
        }
        return {
            "type": delivery.type,
            "timestamp": int(sent_at.timestamp() * 1000),
            **bodies[delivery.type](),
            "call": self._call(delivery, sent_at),
            "assistant": {"name": f"Practice: {self.call.template}"},
        }

    def _sent_at(self, delivery: Delivery) -> datetime:
        if delivery.type == "end-of-call-report":
            return self.ended_at + timedelta(seconds=REPORT_DELAY_SECONDS)
        if delivery.status == "ended" or delivery.type == "hang":
            return self.ended_at
        spoken = self.call.turns[: delivery.turns or 0]
        return self.started_at + timedelta(seconds=spoken[-1].end if spoken else 0.0)

    def _status(self, delivery: Delivery) -> Json:
        body: Json = {"status": delivery.status}
        if delivery.status == "ended":
            body["endedReason"] = self.call.ended_reason
        return body

    def _report(self, sent_at: datetime, number: int) -> Json:
        shape = self.call.payload
        facts = artifact(self.call, self.started_at, self.call_id, sent_at, number)
        summary = f"{self.call.title}. {len(self.call.turns)} turns."
        report: Json = {
            "endedReason": self.call.ended_reason,
            "startedAt": iso(self.started_at),
            "endedAt": iso(self.ended_at),
            "assistantVersion": "1",
            **costs(self.call),
            "analysis": {"summary": summary, "successEvaluation": "true"},
            "artifact": facts,
        }
        if shape.depth == "message":
            report |= {"artifact": {}, "analysis": {}, "summary": summary, **facts}
        return report

    def _call(self, delivery: Delivery, sent_at: datetime) -> Json:
        ended = delivery.type == "end-of-call-report" or delivery.status == "ended"
        call: Json = {
            "orgId": str(uuid5(NAMESPACE_URL, self.metadata["org_id"])),
            "type": "webCall",
            "status": "ended" if ended else delivery.status or "in-progress",
            "createdAt": iso(self.started_at - timedelta(seconds=1.9)),
            "updatedAt": iso(sent_at),
        }
        if self.call.payload.call_id:
            call["id"] = self.call_id
        if self.call.payload.metadata == "call":
            call["metadata"] = self.metadata
        else:
            call["assistantOverrides"] = {"metadata": self.metadata}
        return call
