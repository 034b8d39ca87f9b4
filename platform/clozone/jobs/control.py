"""What an operator does with single jobs: cancel them, take them up again.

Everything here runs in the caller's unit of work, of the platform, unless said otherwise. Times are
the database's, as in the ledger.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from peewee import IntegrityError, fn

from clozone.infra.postgres import Scope, after_commit, database, unit_of_work
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import Queue, State, after_death_of, before_revival_of, handler_of
from clozone.jobs.ledger import Claim
from clozone.jobs.running import Running
from clozone.kit.errors import Conflict, NotFound
from clozone.models.operations import Job

CANCELLED = "cancelled by an operator"


def cancel(job_id: UUID, reason: str = CANCELLED) -> State:
    """Cancel a job. One that waits, or is dead, is cancelled at once; the state it is in is returned.

    A running one stays `running` and is told within a third of its lease: it ends at its next
    checkpoint, and its effects do not commit from now on. Raises NotFound, or Conflict for one
    that has ended otherwise.
    """
    job = _locked(job_id)
    if job.state == State.running:
        asked_at = fn.coalesce(Job.cancel_requested_at, fn.now())
        _change(job, cancel_requested_at=asked_at, cancel_reason=reason)
        return State.running
    if job.state in (State.succeeded, State.cancelled):
        raise Conflict(f"This job has already ended: it is {job.state}.")
    _change(
        job,
        state=State.cancelled,
        cancel_requested_at=fn.now(),
        finished_at=fn.now(),
        cancel_reason=reason,
        last_error=reason,
    )
    mourn = after_death_of(job.kind)
    # Who waited for a dead one was told when it died.
    if mourn is not None and job.state != State.dead:
        mourn(Running(_claim(job)), reason)
    return State.cancelled


def revive(job_id: UUID) -> None:
    """Take a dead or cancelled job up again, with all its attempts before it.

    Raises NotFound, or Conflict where that is not possible.
    """
    job = _locked(job_id)
    if job.state not in (State.dead, State.cancelled):
        raise Conflict(f"Only a dead or cancelled job can be taken up again; it is {job.state}.")
    if handler_of(job.kind) is None:
        raise Conflict(f"This version has no handler for jobs of the kind {job.kind}.")
    _wait_again(job)
    prepare = before_revival_of(job.kind)
    if prepare is not None:
        prepare(Running(_claim(job)))
    after_commit(lambda: delivery().ring(Queue(job.queue), job.id))


@dataclass(slots=True)
class Revived:
    """The jobs that were taken up again, and those that were left as they are, and why."""

    again: list[UUID] = field(default_factory=list)
    left: dict[UUID, str] = field(default_factory=dict)


def revive_each(job_ids: Iterable[UUID]) -> Revived:
    """Take up again what can be, each job in a unit of work of its own."""
    revived = Revived()
    for job_id in job_ids:
        try:
            with unit_of_work(Scope.platform()):
                revive(job_id)
        except (Conflict, NotFound) as error:
            revived.left[job_id] = error.detail
        else:
            revived.again.append(job_id)
    return revived


def _wait_again(job: Job) -> None:
    try:
        # One of the same key may be about to commit: only the index knows.
        with database.atomic():
            _change(
                job,
                state=State.queued,
                run_at=fn.now(),
                failures=0,
                lost=0,
                cancel_requested_at=None,
                cancel_reason=None,
                finished_at=None,
            )
    except IntegrityError as error:
        raise Conflict(
            "Another job of the same key is under way; it does the same work."
        ) from error


def _locked(job_id: UUID) -> Job:
    job: Job | None = Job.select().where(Job.id == job_id).for_update().get_or_none()
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def _change(job: Job, **columns: object) -> None:
    Job.update(**columns).where(Job.id == job.id).execute()


def _claim(job: Job) -> Claim:
    return Claim(
        id=job.id,
        org_id=job.org_id,
        turn_of=job.turn_of,
        kind=job.kind,
        queue=Queue(job.queue),
        payload=job.payload,
        subject_id=job.subject_id,
        attempt=job.attempt,
        failures=job.failures,
        lost=job.lost,
        max_attempts=job.max_attempts,
        request_id=job.request_id,
        cancelled=False,
    )
