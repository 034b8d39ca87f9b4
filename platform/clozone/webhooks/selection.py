"""Which deliveries of the inbox are meant: by id, time, state, type, call, organisation or reason."""

from dataclasses import dataclass, fields
from datetime import datetime
from functools import reduce
from operator import and_
from typing import Any
from uuid import UUID

from peewee import Tuple, fn

from clozone.kit.clock import iso
from clozone.models.operations import WebhookEvent

STATES = ("received", "processed", "ignored", "dead")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is given narrows it down; nothing given means everything.

    `since` is the first moment of receipt that counts, `until` the first that no longer does.
    `reason` is a part of the reason, in upper or lower case. `limit` bounds how many are meant:
    the oldest where they are replayed, the latest where they are listed.
    """

    ids: tuple[UUID, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    states: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    call_id: str | None = None
    org_id: UUID | None = None
    reason: str | None = None
    limit: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it down."""
        return not any(getattr(self, f.name) for f in fields(self) if f.name != "limit")

    def to_json(self) -> dict[str, Any]:
        """What was given, for the audit log."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in given.items() if value not in (None, ())}


@dataclass(frozen=True, slots=True)
class Listed:
    """A delivery without its body. `erased`: what it said was removed with its session."""

    id: UUID
    received_at: datetime
    message_type: str
    call_id: str | None
    org_id: UUID | None
    session_id: UUID | None
    state: str
    reason: str | None
    deliveries: int
    erased: bool


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many deliveries have one reason, and when the first and the last of them came."""

    reason: str
    count: int
    first_received_at: datetime
    last_received_at: datetime


def page(selection: Selection, size: int, after: Listed | None = None) -> list[Listed]:
    """The next `size` deliveries in the order of receipt. Needs a unit of work of the platform."""
    event = WebhookEvent
    query = _listing(selection)
    if after is not None:
        query = query.where(Tuple(event.received_at, event.id) > (after.received_at, after.id))
    rows: Any = query.order_by(event.received_at, event.id).limit(size).tuples()
    return [Listed(*row) for row in rows]


def latest(selection: Selection, size: int) -> list[Listed]:
    """The last `size` deliveries, in the order of receipt. Needs a unit of work of the platform."""
    event = WebhookEvent
    query = _listing(selection).order_by(event.received_at.desc(), event.id.desc())
    rows: Any = query.limit(size).tuples()
    return [Listed(*row) for row in rows][::-1]


def _listing(selection: Selection) -> Any:
    event = WebhookEvent
    return event.select(
        event.id,
        event.received_at,
        event.message_type,
        event.call_id,
        event.org_id,
        event.session_id,
        event.state,
        event.reason,
        event.deliveries,
        fn.length(event.body) == 0,
    ).where(_condition(selection))


def reasons(selection: Selection) -> list[ReasonCount]:
    """The selected deliveries by reason, the most frequent first. Needs a unit of work."""
    event = WebhookEvent
    count = fn.count(event.id)
    rows: Any = (
        event.select(
            fn.coalesce(event.reason, ""),
            count,
            fn.min(event.received_at),
            fn.max(event.received_at),
        )
        .where(_condition(selection))
        .group_by(event.reason)
        .order_by(count.desc(), event.reason)
        .tuples()
    )
    return [ReasonCount(*row) for row in rows]


def _condition(selection: Selection) -> Any:
    event = WebhookEvent
    conditions: list[Any] = [event.provider == "vapi"]
    if selection.ids:
        conditions.append(event.id.in_(selection.ids))
    if selection.since is not None:
        conditions.append(event.received_at >= selection.since)
    if selection.until is not None:
        conditions.append(event.received_at < selection.until)
    if selection.states:
        conditions.append(event.state.in_(selection.states))
    if selection.types:
        conditions.append(event.message_type.in_(selection.types))
    if selection.call_id is not None:
        conditions.append(event.call_id == selection.call_id)
    if selection.org_id is not None:
        conditions.append(event.org_id == selection.org_id)
    if selection.reason is not None:
        conditions.append(event.reason.contains(selection.reason))
    return reduce(and_, conditions)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if isinstance(value, UUID) else value
