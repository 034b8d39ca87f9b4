"""Deliveries and their attempts as rows. Row-level security keeps each organisation to its own."""

from datetime import datetime
from typing import Any
from uuid import UUID

from clozone.infra.postgres import database
from clozone.kit.pagination import Position
from clozone.models import keyset
from clozone.models.notifications import NotificationAttempt as Attempt
from clozone.models.notifications import NotificationDelivery as Delivery

_PRUNE = """
DELETE FROM notification_deliveries WHERE id IN (
  SELECT id FROM notification_deliveries WHERE finished_at < %s
  ORDER BY finished_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""


def add(**values: Any) -> Delivery:
    """A new delivery."""
    return Delivery.create(**values)


def by_id(delivery_id: UUID) -> Delivery | None:
    """The delivery, if there is one in scope."""
    found: Delivery | None = Delivery.get_or_none(Delivery.id == delivery_id)
    return found


def lock(delivery_id: UUID) -> Delivery | None:
    """The same, locked until the unit of work ends."""
    found: Delivery | None = (
        Delivery.select().where(Delivery.id == delivery_id).for_update().get_or_none()
    )
    return found


def page(
    endpoint_id: UUID, after: Position | None, limit: int, *, state: str | None, event: str | None
) -> list[Delivery]:
    """One page of an endpoint's deliveries and a row more."""
    query: Any = Delivery.select().where(Delivery.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(Delivery.state == state)
    if event is not None:
        query = query.where(Delivery.type == event)
    return list(keyset.page(query, Delivery, after, limit))


def update(delivery_id: UUID, **values: Any) -> None:
    """Write these columns."""
    Delivery.update(**values).where(Delivery.id == delivery_id).execute()


def fail_pending(endpoint_id: UUID, error: str, moment: datetime) -> int:
    """End every delivery to this endpoint that is still on its way; how many there were."""
    pending = (Delivery.endpoint_id == endpoint_id) & (Delivery.state == "pending")
    ended = Delivery.update(state="failed", error=error, next_attempt_at=None, finished_at=moment)
    return int(ended.where(pending).execute())


def fail(delivery_id: UUID, series: int, error: str, moment: datetime) -> None:
    """End this series of a delivery, if it is still on its way."""
    pending = (Delivery.id == delivery_id) & (Delivery.state == "pending")
    ended = Delivery.update(state="failed", error=error, next_attempt_at=None, finished_at=moment)
    ended.where(pending & (Delivery.series == series)).execute()


def hold(delivery_id: UUID, series: int) -> bool:
    """Leave this series of a delivery without a time; False if it is not on its way any more."""
    pending = (Delivery.id == delivery_id) & (Delivery.state == "pending")
    held = Delivery.update(next_attempt_at=None).where(pending & (Delivery.series == series))
    return bool(held.execute())


def held(endpoint_id: UUID, limit: int) -> list[Delivery]:
    """Deliveries that are held back, those that wait longest first."""
    query = Delivery.select().where(_held(endpoint_id))
    return list(query.order_by(Delivery.series_began_at, Delivery.id).limit(limit))


def let_go(delivery_ids: list[UUID], moment: datetime) -> None:
    """Let these deliveries be due at `moment`."""
    Delivery.update(next_attempt_at=moment).where(Delivery.id.in_(delivery_ids)).execute()


def fail_held(endpoint_id: UUID, before: datetime, error: str, moment: datetime) -> None:
    """End what is held back of series begun before a time."""
    late = _held(endpoint_id) & (Delivery.series_began_at < before)
    Delivery.update(state="failed", error=error, finished_at=moment).where(late).execute()


def _held(endpoint_id: UUID) -> Any:
    return (
        (Delivery.endpoint_id == endpoint_id)
        & (Delivery.state == "pending")
        & Delivery.next_attempt_at.is_null()
    )


def prune(before: datetime, limit: int) -> int:
    """Delete finished deliveries from before a time, with their attempts; how many."""
    return int(database.execute_sql(_PRUNE, (before, limit)).rowcount)


def begin_attempt(delivery: Delivery, moment: datetime) -> UUID:
    """Note that the message is about to be sent; an attempt nobody ended was its worker's last."""
    lose_attempts(delivery.id, moment)
    attempt = Attempt.create(
        org_id=delivery.org_id,
        delivery_id=delivery.id,
        series=delivery.series,
        started_at=moment,
    )
    return UUID(str(attempt.id))


def lose_attempts(delivery_id: UUID, moment: datetime) -> None:
    """Attempts whose end nobody noted will not be ended any more."""
    unfinished = (Attempt.delivery_id == delivery_id) & (Attempt.outcome == "sending")
    Attempt.update(outcome="lost", finished_at=moment).where(unfinished).execute()


def end_attempt(attempt_id: UUID, **values: Any) -> bool:
    """Note what came of it; False if it counts as lost by now."""
    unfinished = (Attempt.id == attempt_id) & (Attempt.outcome == "sending")
    return bool(Attempt.update(**values).where(unfinished).execute())


def attempts_of(delivery_id: UUID) -> list[Attempt]:
    """Every attempt, the latest first."""
    query = Attempt.select().where(Attempt.delivery_id == delivery_id)
    return list(query.order_by(Attempt.started_at.desc(), Attempt.id.desc()))
