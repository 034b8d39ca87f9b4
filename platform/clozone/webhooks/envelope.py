"""The outside of a Vapi delivery: what the inbox needs before anybody reads the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from clozone.webhooks.body import read_message
from clozone.webhooks.fields import first_name, first_uuid

UNKNOWN_TYPE = "unknown"

# In these places the browser's or our own metadata comes back; the first that has an id wins.
_METADATA = (
    "call.metadata",
    "call.assistantOverrides.metadata",
    "metadata",
    "assistantOverrides.metadata",
    "call.assistant.metadata",
    "assistant.metadata",
)


@dataclass(frozen=True, slots=True)
class References:
    """Our own ids, as they came back in the call's metadata: claims to check against our rows."""

    session_id: UUID | None = None
    org_id: UUID | None = None
    user_id: UUID | None = None
    template_id: UUID | None = None
    assignment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the inbox needs of a delivery: its key's parts, where it belongs, and the message."""

    message_type: str
    call_id: str | None
    references: References
    message: dict[str, Any]


def read_envelope(body: bytes) -> Envelope:
    """Read of an authenticated body only what the key and the routing need.

    Raises BadRequest (no JSON) or Invalid (no message object): neither is stored, see docs/vapi.md.
    """
    message = read_message(body)
    return Envelope(message_type_of(message), call_id_of(message), references_of(message), message)


def message_type_of(message: Mapping[str, Any]) -> str:
    """The kind of message; UNKNOWN_TYPE when it tells none."""
    return first_name(message, "type") or UNKNOWN_TYPE


def call_id_of(message: Mapping[str, Any]) -> str | None:
    """Vapi's id of the call, or None."""
    return first_name(message, "call.id", "callId", "artifact.callId")


def references_of(message: Mapping[str, Any]) -> References:
    """Our ids, in snake_case or camelCase; what is no UUID counts as absent."""

    def find(name: str) -> UUID | None:
        head, *rest = name.split("_")
        spellings = (name, head + "".join(word.capitalize() for word in rest))
        return first_uuid(message, *(f"{place}.{s}" for place in _METADATA for s in spellings))

    return References(
        session_id=find("session_id"),
        org_id=find("org_id"),
        user_id=find("user_id"),
        template_id=find("template_id"),
        assignment_id=find("assignment_id"),
    )
