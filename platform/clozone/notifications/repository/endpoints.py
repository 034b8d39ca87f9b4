"""Endpoints as rows. Row-level security keeps each organisation to its own."""

from datetime import datetime
from typing import Any
from uuid import UUID

from clozone.kit.pagination import Position
from clozone.models import keyset
from clozone.models.notifications import NotificationEndpoint as Endpoint
from clozone.notifications.circuit import Circuit


def add(**values: Any) -> Endpoint:
    """A new endpoint."""
    return Endpoint.create(**values)


def count() -> int:
    """How many endpoints there are in scope."""
    return int(Endpoint.select().count())


def page(after: Position | None, limit: int) -> list[Endpoint]:
    """One page and a row more."""
    return list(keyset.page(Endpoint.select(), Endpoint, after, limit))


def by_id(endpoint_id: UUID) -> Endpoint | None:
    """The endpoint, if there is one in scope."""
    found: Endpoint | None = Endpoint.get_or_none(Endpoint.id == endpoint_id)
    return found


def lock(endpoint_id: UUID) -> Endpoint | None:
    """The same, locked until the unit of work ends; deliveries to it can still be added.

    Whoever changes an endpoint and its deliveries locks the endpoint first.
    """
    query: Any = Endpoint.select().where(Endpoint.id == endpoint_id)
    found: Endpoint | None = query.for_update("FOR NO KEY UPDATE").get_or_none()
    return found


def update(endpoint_id: UUID, **values: Any) -> None:
    """Write these columns."""
    Endpoint.update(**values).where(Endpoint.id == endpoint_id).execute()


def delete(endpoint_id: UUID) -> bool:
    """Remove an endpoint with its log; False if there was none."""
    return bool(Endpoint.delete().where(Endpoint.id == endpoint_id).execute())


def subscribed_to(event: str) -> list[Endpoint]:
    """The enabled endpoints in scope that want to know of this event."""
    wants: Any = Endpoint.events.contains(event)
    query = Endpoint.select(Endpoint.id, Endpoint.org_id).where(Endpoint.enabled, wants)
    return list(query.order_by(Endpoint.id))


def take_probe(endpoint_id: UUID, moment: datetime, until: datetime) -> bool:
    """Let one message through an open circuit whose time is over.

    It stays open for all others until `until`. False if another message was quicker.
    """
    due = (Endpoint.id == endpoint_id) & (Endpoint.open_until <= moment)
    return bool(Endpoint.update(open_until=until).where(due).execute())


def circuit_of(endpoint: Endpoint) -> Circuit:
    """The circuit breaker as stored."""
    return Circuit(
        endpoint.failures, endpoint.failing_since, endpoint.failed_at, endpoint.open_until
    )


def set_circuit(endpoint_id: UUID, circuit: Circuit) -> None:
    """Store the circuit breaker."""
    update(
        endpoint_id,
        failures=circuit.failures,
        failing_since=circuit.failing_since,
        failed_at=circuit.failed_at,
        open_until=circuit.open_until,
    )
