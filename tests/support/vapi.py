"""Vapi as the platform meets it: the messages of a call, and the proof they are sent with."""

import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.support.practice import Practice

from clozone.kit.clock import iso

Json = dict[str, Any]
STARTED_AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
# Who says what: enough for a grade.
TALK = (
    ("bot", "Hello, Dana speaking, who is this please?"),
    (
        "user",
        "Hi Dana, this is Ravi from Acme. Do you have a minute to talk about your call center?",
    ),
    ("bot", "A short one. We are quite happy with what we have today, to be honest."),
    ("user", "Understood. What would have to change for you to look at something new this year?"),
    ("bot", "The price, mostly. Send me an offer and we can talk again on Thursday morning."),
    ("user", "I will send it today. Shall we say Thursday at ten? Thank you very much, Dana."),
)
TURN_SECONDS = 6.0


def metadata_of(practice: Practice, session_id: UUID | None = None, **claims: UUID | None) -> Json:
    """What our browser sends along: the ids of a session, its rep and its template."""
    ids = {
        "session_id": session_id,
        "org_id": practice.org_id,
        "user_id": practice.rep,
        "template_id": practice.templates[0],
        **claims,
    }
    return {name: str(value) for name, value in ids.items() if value is not None}


def spoken(*talk: tuple[str, str]) -> list[Json]:
    """Vapi's messages for what was said, one every TURN_SECONDS."""
    return [
        {
            "role": role,
            "message": text,
            "time": int(STARTED_AT.timestamp() * 1000 + number * TURN_SECONDS * 1000),
            "endTime": int(STARTED_AT.timestamp() * 1000 + (number + 0.9) * TURN_SECONDS * 1000),
            "secondsFromStart": number * TURN_SECONDS,
        }
        for number, (role, text) in enumerate(talk)
    ]


@dataclass(frozen=True)
class Call:
    """One call. Without an `id`, its messages name none."""

    metadata: Json | None = None
    id: str | None = field(default_factory=lambda: str(uuid4()))
    assistant_id: str | None = None

    def message(self, kind: str | None, *, call: Json | None = None, **fields: Any) -> Json:
        """A body of this kind; `call` adds to the call object."""
        about = {
            "id": self.id,
            "type": "webCall",
            "assistantId": self.assistant_id,
            "assistantOverrides": self.metadata and {"metadata": self.metadata},
            **(call or {}),
        }
        told = {name: value for name, value in about.items() if value is not None}
        return {"message": {"type": kind, **fields, "call": told}}

    def status(self, status: str, **fields: Any) -> Json:
        """A status update. Vapi's call object carries a cost of 0 while the call runs."""
        return self.message("status-update", status=status, call={"cost": 0}, **fields)

    def ended(self, reason: str = "customer-ended-call") -> Json:
        """The last status update."""
        return self.status("ended", endedReason=reason)

    def report(self, *talk: tuple[str, str], **fields: Any) -> Json:
        """The end-of-call report; without `talk`, of a call on which nothing was said."""
        ended_at = STARTED_AT + timedelta(seconds=max(len(talk), 1) * TURN_SECONDS)
        return self.message(
            "end-of-call-report",
            **{
                "endedReason": "customer-ended-call",
                "startedAt": iso(STARTED_AT),
                "endedAt": iso(ended_at),
                "cost": 0.4187,
                "analysis": {"summary": "A talk about prices."},
                "artifact": {
                    "messages": spoken(*talk),
                    "recordingUrl": f"https://storage.example/{self.id}.wav",
                },
                **fields,
            },
        )


def encoded(body: Json | bytes) -> bytes:
    """The bytes that are posted, and signed."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def signature(secret: str, body: bytes, timestamp: str | None = None) -> str:
    """Hex HMAC-SHA256 of `timestamp.body`, or of the body alone."""
    payload = body if timestamp is None else timestamp.encode() + b"." + body
    return hmac.digest(secret.encode(), payload, "sha256").hex()
