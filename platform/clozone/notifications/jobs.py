"""Jobs of notifications."""

from datetime import timedelta
from uuid import UUID

from clozone.infra.postgres import unit_of_work
from clozone.jobs.kinds import RunningJob, job
from clozone.kit.clock import now
from clozone.kit.errors import Postponed, Retryable
from clozone.notifications.repository import deliveries
from clozone.notifications.sender import sender
from clozone.notifications.service import dispatch, giving_up, holding, sending

KEPT = timedelta(days=30)
_PRUNED_AT_ONCE = 1_000


@job("notifications.fan_out")
def fan_out(job: RunningJob) -> None:
    """Give each endpoint that wants to know of the event in the payload a delivery of its own."""
    with job.completing():
        dispatch.fan_out(
            job.id, job.payload["type"], job.payload["data"], public_url=sender().public_url
        )


def _give_up(job: RunningJob, reason: str) -> None:
    giving_up.give_up(UUID(job.payload["delivery_id"]), job.payload["series"], reason)


def _take_up(job: RunningJob) -> None:
    giving_up.take_up(UUID(job.payload["delivery_id"]), job.payload["series"])


@job(dispatch.DELIVER, after_death=_give_up, before_revival=_take_up)
def deliver(job: RunningJob) -> None:
    """Send a message to its endpoint, outside any transaction.

    A worker that dies after sending and before recording it leaves the message to be sent again,
    under the same id: at least once, never not at all.
    """
    with unit_of_work():
        step = sending.begin(
            UUID(job.payload["delivery_id"]), job.payload["series"], early=job.payload["early"]
        )
    if step is None:
        return
    if isinstance(step, sending.Wait):
        raise Postponed(step.reason, after=step.seconds)
    outcome = sender().send(step.message)
    if outcome.error is None:
        with job.completing():
            sending.note_success(step, outcome)
        return
    with unit_of_work():
        wait = sending.note_failure(step, outcome)
    if wait is not None:
        raise (Retryable if wait.failed else Postponed)(wait.reason, after=wait.seconds)


@job(holding.RELEASE)
def release(job: RunningJob) -> None:
    """Let go of an endpoint's messages held back what its circuit lets through by now."""
    with job.completing():
        holding.release(UUID(job.payload["endpoint_id"]))


@job("notifications.prune")
def prune(job: RunningJob) -> None:
    """Delete finished deliveries, of all organisations, that are older than they are kept."""
    pruned = _PRUNED_AT_ONCE
    while pruned == _PRUNED_AT_ONCE:
        with unit_of_work():
            pruned = deliveries.prune(now() - KEPT, _PRUNED_AT_ONCE)
