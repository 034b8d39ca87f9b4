"""The delivery log as administrators read it, and sending again by hand."""

from typing import Any
from uuid import UUID

import orjson

from clozone.kit.errors import Conflict, NotFound
from clozone.kit.pagination import Page, Position, page_of
from clozone.models.notifications import NotificationDelivery
from clozone.notifications.repository import deliveries, endpoints
from clozone.notifications.schemas import DeliveryAnswer, DeliveryQuery
from clozone.notifications.service.dispatch import begin_series
from clozone.notifications.service.endpoints import found

LIST = "notification-deliveries"


def list_page(endpoint_id: UUID, query: DeliveryQuery) -> Page[NotificationDelivery]:
    """The messages to an endpoint, newest first. Raises NotFound."""
    found(endpoints.by_id(endpoint_id))
    rows = deliveries.page(
        endpoint_id, query.position(LIST), query.limit, state=query.state, event=query.type
    )
    return page_of(rows, query.limit, LIST, lambda row: Position(row.created_at, row.id))


def read(delivery_id: UUID) -> dict[str, Any]:
    """A delivery in the shape of DeliveryDetail. Raises NotFound."""
    delivery = deliveries.by_id(delivery_id)
    if delivery is None:
        raise NotFound("There is no such delivery.")
    return DeliveryAnswer.model_validate(delivery).model_dump() | {
        "body": orjson.loads(delivery.body),
        "attempts": deliveries.attempts_of(delivery_id),
    }


def redeliver(delivery_id: UUID) -> NotificationDelivery:
    """Send a message again, now and with all its attempts, under the id that it has.

    Whatever became of it so far; a series that still runs ends. Raises NotFound, and Conflict for
    a disabled endpoint.
    """
    delivery = deliveries.by_id(delivery_id)
    endpoint = None if delivery is None else endpoints.lock(delivery.endpoint_id)
    delivery = deliveries.lock(delivery_id)
    if delivery is None or endpoint is None:
        raise NotFound("There is no such delivery.")
    if not endpoint.enabled:
        raise Conflict("The endpoint is disabled. Enable it first.")
    return begin_series(delivery)
