"""How a message is put on its way: one delivery for each endpoint, and the job that makes it.

The job carries the number of the series that it belongs to. Only the job of the current series does
anything, so that sending again by hand needs to stop nobody.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from clozone.jobs.enqueue import Order, enqueue_many
from clozone.kit.clock import now
from clozone.models.notifications import NotificationDelivery, NotificationEndpoint
from clozone.notifications.events import message_body, message_id
from clozone.notifications.repository import deliveries, endpoints

DELIVER = "notifications.deliver"


def fan_out(origin: UUID, event: str, data: dict[str, Any], public_url: str) -> int:
    """Begin to tell every endpoint in scope that wants to know of this event; how many."""
    body = message_body(origin, event, data, public_url)
    told = endpoints.subscribed_to(event)
    for endpoint in told:
        dispatch(endpoint, event, message_id(origin), body)
    return len(told)


def dispatch(
    endpoint: NotificationEndpoint, event: str, message: str, body: str, *, early: bool = False
) -> NotificationDelivery:
    """Add a delivery and the job that makes it; `early`: also through an open circuit."""
    moment = now()
    delivery = deliveries.add(
        org_id=endpoint.org_id,
        endpoint_id=endpoint.id,
        message_id=message,
        type=event,
        body=body,
        series_began_at=moment,
        next_attempt_at=moment,
        created_at=moment,
    )
    enqueue_deliveries([delivery], early=early)
    return delivery


def begin_series(delivery: NotificationDelivery) -> NotificationDelivery:
    """Send a delivery anew, through an open circuit too: somebody asked for it. Needs its lock."""
    moment = now()
    delivery.series += 1
    delivery.series_began_at = delivery.next_attempt_at = moment
    delivery.state, delivery.failures, delivery.error = "pending", 0, None
    delivery.finished_at = None
    delivery.save(only=delivery.dirty_fields)
    enqueue_deliveries([delivery], early=True)
    return delivery


def enqueue_deliveries(going: Sequence[NotificationDelivery], *, early: bool = False) -> None:
    """Add the jobs that make these deliveries of one organisation; `early`: see `dispatch`."""
    orders = [
        Order({"delivery_id": str(one.id), "series": one.series, "early": early}) for one in going
    ]
    if going:
        enqueue_many(DELIVER, orders, org_id=going[0].org_id)
