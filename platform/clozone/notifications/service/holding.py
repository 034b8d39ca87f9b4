"""Messages held back while their endpoint's circuit is open, and letting them go.

What is held back has no job and no time of its own (`next_attempt_at` is null). So however long an
outage lasts, a message costs the ledger one job to be held back and one to be let go. A job of the
endpoint lets go one message when the circuit is half-open, and the others, some at a time, once it
is closed. Everything here needs or takes the endpoint's lock: so whoever holds a message back and
whoever lets go never miss each other.
"""

from datetime import datetime, timedelta
from uuid import UUID

from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.models.notifications import NotificationEndpoint
from clozone.notifications.circuit import State
from clozone.notifications.repository import deliveries, endpoints
from clozone.notifications.schedule import LONGEST_SERIES
from clozone.notifications.sender import TIMEOUT_SECONDS
from clozone.notifications.service.dispatch import enqueue_deliveries

RELEASE = "notifications.release"

# For so long a message that was let through an open circuit holds the others back.
PROBE = timedelta(seconds=TIMEOUT_SECONDS + 5)

# A receiver that has just recovered is not drowned in what it missed.
_AT_ONCE: dict[State, int] = {"open": 0, "half_open": 1, "closed": 100}
PACE = timedelta(seconds=2)
# Clocks differ: what is let go a little later finds the circuit half-open.
_MARGIN = timedelta(seconds=1)

_GIVEN_UP = "given up: the endpoint did not recover in time"


def hold_back(delivery_id: UUID, series: int, endpoint_id: UUID) -> None:
    """Hold this series of a delivery back until its endpoint's circuit lets it through."""
    endpoint = endpoints.lock(endpoint_id)
    if endpoint is not None and deliveries.hold(delivery_id, series):
        _release_when_due(endpoint)


def release_now(endpoint: NotificationEndpoint) -> None:
    """Let go what is held back, if anything: the circuit has closed. Needs the endpoint's lock."""
    if deliveries.held(endpoint.id, 1):
        _release(endpoint)


def release(endpoint_id: UUID) -> None:
    """Let go as many of the messages held back as the circuit lets through now, oldest first.

    Sees to it that the turn of the others comes. What has waited for too long is given up.
    """
    moment = now()
    endpoint = endpoints.lock(endpoint_id)
    if endpoint is None:
        return
    deliveries.fail_held(endpoint_id, moment - LONGEST_SERIES, _GIVEN_UP, moment)
    state = endpoints.circuit_of(endpoint).state(moment)
    many = _AT_ONCE[state]
    waiting = deliveries.held(endpoint_id, many + 1)
    deliveries.let_go([delivery.id for delivery in waiting[:many]], moment)
    enqueue_deliveries(waiting[:many])
    if len(waiting) <= many:
        return
    if state == "open":
        _release_when_due(endpoint)
    else:
        _release(endpoint, moment + (PROBE if state == "half_open" else PACE))


def _release_when_due(endpoint: NotificationEndpoint) -> None:
    until = endpoint.open_until
    if until is None:
        _release(endpoint)
    else:
        # One job for each time it opens, however many messages there are. Only a job that is still
        # to run may have the key: one about to end waits for the lock that is held here.
        _release(endpoint, until + _MARGIN, f"{RELEASE}:{endpoint.id}:{until.isoformat()}")


def _release(
    endpoint: NotificationEndpoint, run_at: datetime | None = None, key: str | None = None
) -> None:
    enqueue(
        RELEASE,
        {"endpoint_id": str(endpoint.id)},
        org_id=endpoint.org_id,
        dedupe_key=key,
        run_at=run_at,
    )
