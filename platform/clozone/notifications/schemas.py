"""JSON of notification endpoints and of their delivery log."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from clozone.accounts.fields import unchanged
from clozone.kit.pagination import PageQuery
from clozone.notifications.circuit import State
from clozone.notifications.events import EventType
from clozone.web.schema import RequestModel, ResponseModel

A_DAY_SECONDS = 86_400
LONGEST_GRACE_SECONDS = 7 * A_DAY_SECONDS

DeliveryState = Literal["pending", "delivered", "failed"]


def _once_each(events: list[EventType]) -> list[EventType]:
    return sorted(set(events))


EndpointUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2_048),
    Field(
        json_schema_extra={"format": "uri"}, description="Where messages are posted to; https://…"
    ),
]
Events = Annotated[
    list[EventType], Field(min_length=1, max_length=len(EventType)), AfterValidator(_once_each)
]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class NewEndpoint(RequestModel):
    """An address to be told of events."""

    url: EndpointUrl
    events: Events
    description: Description = ""
    enabled: bool = True


class EndpointChange(RequestModel):
    """What to change of an endpoint; what is left out stays.

    Enabling it, or giving it another address, closes its circuit.
    """

    url: EndpointUrl = Field(default_factory=unchanged)
    events: Events = Field(default_factory=unchanged)
    description: Description = Field(default_factory=unchanged)
    enabled: bool = Field(default_factory=unchanged)


class SecretRotation(RequestModel):
    """How long the former secret goes on signing beside the new one; 0 if it has leaked."""

    grace_seconds: Annotated[int, Field(ge=0, le=LONGEST_GRACE_SECONDS)] = A_DAY_SECONDS


class CircuitAnswer(ResponseModel):
    """Whether messages go through: all (closed), none until `open_until`, or one to see."""

    state: State
    failures: int
    failing_since: datetime | None
    open_until: datetime | None


class EndpointAnswer(ResponseModel):
    """An endpoint, without its secret.

    `disabled_reason`: `requested`, `gone` (it answered 410) or `failing` (for days, nothing else).
    """

    id: UUID
    url: str
    description: str
    events: list[EventType]
    enabled: bool
    disabled_reason: Literal["requested", "gone", "failing"] | None
    disabled_at: datetime | None
    circuit: CircuitAnswer
    previous_secret_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NewEndpointAnswer(EndpointAnswer):
    """An endpoint and its new secret, which is shown this once and never again."""

    secret: str


class DeliveryQuery(PageQuery):
    """Which deliveries to list."""

    state: DeliveryState | None = None
    type: EventType | Literal["endpoint.test"] | None = None


class DeliveryAnswer(ResponseModel):
    """A message and how far it got. `message_id` is what the receiver sees as `webhook-id`.

    `series` counts how often it was begun to be sent: once, and once more for each time by hand.
    `failures` are those of the current series; `error` says why the last attempt of it failed.
    `next_attempt_at` is null when it has ended, and while it is held back by an open circuit.
    """

    id: UUID
    endpoint_id: UUID
    message_id: str
    type: str
    state: DeliveryState
    series: int
    failures: int
    next_attempt_at: datetime | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class AttemptAnswer(ResponseModel):
    """One sending. `lost`: the worker died, so nobody knows whether it arrived.

    `response` holds the first characters of the receiver's answer; `ms` how long that took.
    """

    id: UUID
    series: int
    outcome: Literal["sending", "delivered", "failed", "lost"]
    error: str | None
    http_status: int | None
    response: str | None
    ms: float | None
    started_at: datetime
    finished_at: datetime | None


class DeliveryDetail(DeliveryAnswer):
    """A delivery with what is sent and every attempt, the latest first."""

    body: dict[str, Any]
    attempts: list[AttemptAnswer]
