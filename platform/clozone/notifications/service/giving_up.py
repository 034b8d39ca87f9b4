"""What follows for a delivery when the ledger gives its job up, and when it takes it up again."""

from uuid import UUID

from clozone.kit.clock import now
from clozone.kit.errors import Conflict
from clozone.notifications.repository import deliveries, endpoints


def give_up(delivery_id: UUID, series: int, reason: str) -> None:
    """End a delivery whose job was given up by the ledger, or cancelled."""
    moment = now()
    deliveries.fail(delivery_id, series, reason, moment)
    deliveries.lose_attempts(delivery_id, moment)


def take_up(delivery_id: UUID, series: int) -> None:
    """Let a series go on that was given up. Raises Conflict where another way is right."""
    delivery = deliveries.lock(delivery_id)
    if delivery is None or delivery.series != series:
        raise Conflict("This message was sent again since, or its endpoint is deleted.")
    endpoint = endpoints.by_id(delivery.endpoint_id)
    if endpoint is None or not endpoint.enabled:
        raise Conflict("The endpoint is disabled. Enable it first, then send the message again.")
    moment = now()
    deliveries.update(
        delivery_id,
        state="pending",
        failures=0,
        error=None,
        finished_at=None,
        series_began_at=moment,
        next_attempt_at=moment,
    )
