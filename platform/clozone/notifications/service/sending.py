"""Each attempt to send a message, and what follows from it for the delivery and its endpoint."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger

from clozone.kit.clock import now
from clozone.models.notifications import NotificationDelivery, NotificationEndpoint
from clozone.notifications.repository import deliveries, endpoints
from clozone.notifications.schedule import delay_after
from clozone.notifications.sender import Message, Outcome
from clozone.notifications.service.holding import PROBE, hold_back, release_now

DISABLED = "the endpoint was disabled"
_GONE = "the endpoint answered 410 and was disabled"
_FAILING = "the endpoint failed for days and was disabled"


@dataclass(frozen=True, slots=True)
class Order:
    """A message to be sent now.

    `held_until`: it is the one let through to see how the endpoint is, which holds the others back
    for so long.
    """

    delivery_id: UUID
    endpoint_id: UUID
    attempt_id: UUID
    series: int
    message: Message
    sent_at: datetime
    held_until: datetime | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now, but in so many seconds. `failed`: because an attempt failed."""

    seconds: float
    reason: str
    failed: bool = False


# What the former address answered says nothing about the present one.
MOVED = Wait(0.0, "the endpoint has another address since")


def begin(delivery_id: UUID, series: int, *, early: bool) -> Order | Wait | None:
    """What to do about a delivery now; None if nothing is left to do for its job.

    That is also so when it is held back since its endpoint's circuit is open. `early` lets the first
    attempt of its series through a circuit that is open. That holds nobody back and lets nobody else
    through.
    """
    delivery = deliveries.by_id(delivery_id)
    if delivery is None or delivery.state != "pending" or delivery.series != series:
        return None
    endpoint = endpoints.by_id(delivery.endpoint_id)
    moment = now()
    if endpoint is None or not endpoint.enabled:
        deliveries.fail(delivery_id, series, DISABLED, moment)
        return None
    if delivery.failures and delivery.next_attempt_at and moment < delivery.next_attempt_at:
        # The failure is on record, but its worker died before the ledger knew of it.
        wait = (delivery.next_attempt_at - moment).total_seconds()
        return Wait(wait, "the next attempt is not due yet")
    held_until = None
    if endpoint.open_until is not None:
        if endpoints.take_probe(endpoint.id, moment, moment + PROBE):
            held_until = moment + PROBE
        elif not early or delivery.failures:
            hold_back(delivery_id, series, endpoint.id)
            return None
    return Order(
        delivery_id=delivery_id,
        endpoint_id=endpoint.id,
        attempt_id=deliveries.begin_attempt(delivery, moment),
        series=series,
        message=Message(
            endpoint.url, _signers(endpoint, moment), delivery.message_id, delivery.body
        ),
        sent_at=moment,
        held_until=held_until,
    )


def note_success(order: Order, outcome: Outcome) -> None:
    """Record that the message was taken, which closes its endpoint's circuit."""
    moment = now()
    endpoint = endpoints.lock(order.endpoint_id)
    if endpoint is None:
        return
    before = endpoints.circuit_of(endpoint)
    after = before if _has_moved(endpoint, order) else before.after_success(order.sent_at)
    if after != before:
        endpoints.set_circuit(endpoint.id, after)
        release_now(endpoint)
    _end_attempt(order, outcome, "delivered", moment)
    delivery = deliveries.lock(order.delivery_id)
    # Taken is taken, also if somebody asked meanwhile to send it again: that goes on by itself.
    if delivery is not None and delivery.series == order.series:
        deliveries.update(
            delivery.id, state="delivered", error=None, next_attempt_at=None, finished_at=moment
        )


def note_failure(order: Order, outcome: Outcome) -> Wait | None:
    """Record that the message was not taken; when to send it again, or None if that was it.

    What follows for the endpoint: its circuit may open, and 410 or days of failures disable it.
    """
    moment = now()
    endpoint = endpoints.lock(order.endpoint_id)
    if endpoint is None:
        return None
    delivery = deliveries.lock(order.delivery_id)
    current = _end_attempt(order, outcome, "failed", moment)
    if not current or delivery is None or not _is_current(delivery, order):
        return None
    if _has_moved(endpoint, order):
        deliveries.update(delivery.id, next_attempt_at=moment)
        return MOVED
    # Unless it was asked meanwhile to wait for longer, it is the probe that decides.
    probe = order.held_until is not None and order.held_until == endpoint.open_until
    circuit = endpoints.circuit_of(endpoint).after_failure(
        moment, probe=probe, retry_after=outcome.retry_after
    )
    endpoints.set_circuit(endpoint.id, circuit)
    if outcome.gone or circuit.beyond_hope(moment):
        _disable(endpoint, gone=outcome.gone, moment=moment)
        return None
    failures = delivery.failures + 1
    delay = None if outcome.final else delay_after(failures, outcome.retry_after)
    deliveries.update(
        delivery.id,
        failures=failures,
        error=outcome.detail,
        state="pending" if delay else "failed",
        next_attempt_at=moment + timedelta(seconds=delay) if delay else None,
        finished_at=None if delay else moment,
    )
    return Wait(delay, outcome.detail, failed=True) if delay else None


def _signers(endpoint: NotificationEndpoint, moment: datetime) -> tuple[str, ...]:
    expires = endpoint.previous_secret_expires_at
    if endpoint.previous_secret and expires and moment < expires:
        return endpoint.secret, endpoint.previous_secret
    return (endpoint.secret,)


def _has_moved(endpoint: NotificationEndpoint, order: Order) -> bool:
    """Whether the endpoint was given another address while the message was under way."""
    return bool(endpoint.url != order.message.url)


def _is_current(delivery: NotificationDelivery, order: Order) -> bool:
    """False if it was ended or begun anew while the message was under way."""
    return bool(delivery.series == order.series and delivery.state == "pending")


def _end_attempt(order: Order, outcome: Outcome, name: str, moment: datetime) -> bool:
    return deliveries.end_attempt(
        order.attempt_id,
        outcome=name,
        error=outcome.error,
        http_status=outcome.http_status,
        response=outcome.response,
        ms=round(outcome.ms, 1),
        finished_at=moment,
    )


def _disable(endpoint: NotificationEndpoint, *, gone: bool, moment: datetime) -> None:
    reason = "gone" if gone else "failing"
    endpoints.update(
        endpoint.id,
        enabled=False,
        disabled_reason=reason,
        disabled_at=moment,
        updated_at=moment,
    )
    deliveries.fail_pending(endpoint.id, _GONE if gone else _FAILING, moment)
    logger.bind(endpoint_id=str(endpoint.id), reason=reason).warning(
        "notification endpoint disabled"
    )
