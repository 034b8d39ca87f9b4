"""The delivery log: /api/notification-endpoints/{id}/deliveries, /api/notification-deliveries."""

from typing import Any
from uuid import UUID

from quart import Blueprint

from clozone.kit.errors import Conflict
from clozone.kit.pagination import Page
from clozone.models.notifications import NotificationDelivery
from clozone.notifications.schemas import DeliveryAnswer, DeliveryDetail, DeliveryQuery
from clozone.notifications.service import deliveries
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_read
from clozone.web.operation import operation

blueprint = Blueprint("notification_deliveries", __name__, url_prefix="/api")


@blueprint.get("/notification-endpoints/<uuid:endpoint_id>/deliveries")
@operation(
    allow=Role.admin,
    scope="admin",
    query=DeliveryQuery,
    returns={200: Page[DeliveryAnswer]},
)
async def list_deliveries(
    actor: Actor, endpoint_id: UUID, query: DeliveryQuery
) -> Page[NotificationDelivery]:
    """List the messages to an endpoint, newest first, and how far each got."""
    return await offload_read(deliveries.list_page, endpoint_id, query)


@blueprint.get("/notification-deliveries/<uuid:delivery_id>")
@operation(allow=Role.admin, scope="admin", returns={200: DeliveryDetail})
async def read_delivery(actor: Actor, delivery_id: UUID) -> dict[str, Any]:
    """Read a delivery: the message, and what came of every attempt to send it."""
    return await offload(deliveries.read, delivery_id)


@blueprint.post("/notification-deliveries/<uuid:delivery_id>/redeliver")
@operation(allow=Role.admin, scope="admin", returns={202: DeliveryAnswer}, errors=(Conflict,))
async def redeliver(actor: Actor, delivery_id: UUID) -> NotificationDelivery:
    """Send a message again, now, under the id that it has, with a new series of attempts."""
    return await offload(deliveries.redeliver, delivery_id)
