"""What an operator does with jobs: look, cancel, take up again, pause, limit.

Everything here runs in the caller's unit of work, of the platform unless said otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from clozone.infra.postgres import after_commit, database
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import KINDS, Queue, State, after_death_of, before_revival_of, handler_of
from clozone.jobs.ledger import Claim
from clozone.jobs.running import Running
from clozone.kit.clock import now
from clozone.kit.errors import BadRequest, Conflict, NotFound
from clozone.models.operations import Job, JobControl

ALL = "all"
CANCELLED = "cancelled by an operator"


def cancel(job_id: UUID, reason: str = CANCELLED) -> State:
    """Cancel a job. One that waits, or is dead, is cancelled at once; the state it is in is returned.

    A running one stays `running` and is told within a third of its lease: it ends at its next
    checkpoint, and its effects do not commit from now on. Raises NotFound, or Conflict for one
    that has ended otherwise.
    """
    job = _locked(job_id)
    if job.state == State.running:
        job.cancel_requested_at = job.cancel_requested_at or now()
        job.cancel_reason = reason
        job.save()
        return State.running
    if job.state in (State.succeeded, State.cancelled):
        raise Conflict(f"This job has already ended: it is {job.state}.")
    was_dead = job.state == State.dead
    job.state = State.cancelled
    job.cancel_requested_at = job.finished_at = now()
    job.cancel_reason = job.last_error = reason
    job.save()
    mourn = after_death_of(job.kind)
    if mourn is not None and not was_dead:
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
    if job.dedupe_key is not None and _another_has_the_key(job):
        raise Conflict("Another job of the same key is under way; it does the same work.")
    prepare = before_revival_of(job.kind)
    if prepare is not None:
        prepare(Running(_claim(job)))
    job.state = State.queued
    job.run_at = now()
    job.failures = job.lost = 0
    job.cancel_requested_at = job.cancel_reason = job.finished_at = None
    job.save()
    after_commit(lambda: delivery().ring(Queue(job.queue), job.id))


def pause(name: str, reason: str) -> None:
    """Take no more jobs of `all`, a queue or a kind; what runs goes on."""
    _set(name, paused=True, reason=reason)


def resume(name: str) -> None:
    """Take jobs again."""
    _set(name, paused=False, reason=None)
    for queue in Queue:
        # Woken in vain where nothing waits.
        after_commit(partial(delivery().ring, queue, UUID(int=0), times=8))


def limit(name: str, max_running: int | None) -> None:
    """Let at most so many jobs of `all`, a queue or a kind run at once; None: as the code says."""
    if max_running is not None and max_running < 1:
        raise BadRequest("A limit is at least 1. To let none run, pause instead.")
    _set(name, max_running=max_running)


def _set(name: str, **fields: Any) -> None:
    names = {ALL, *Queue, *KINDS}
    if name not in names:
        raise BadRequest(
            f"There is no queue or kind {name}. Give one of: {', '.join(sorted(names))}."
        )
    fields["updated_at"] = now()
    JobControl.insert(name=name, **fields).on_conflict(
        conflict_target=[JobControl.name], update=fields
    ).execute()


def _locked(job_id: UUID) -> Job:
    job: Job | None = Job.select().where(Job.id == job_id).for_update().get_or_none()
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def _another_has_the_key(job: Job) -> bool:
    row = database.execute_sql(
        """
        SELECT 1 FROM jobs WHERE org_id IS NOT DISTINCT FROM %s AND dedupe_key = %s
          AND state IN ('scheduled', 'queued', 'running', 'retrying')
        """,
        (job.org_id, job.dedupe_key),
    ).fetchone()
    return row is not None


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


@dataclass(frozen=True, slots=True)
class Backlog:
    """How a kind of job stands: counts by state, and since when the oldest waits for its turn."""

    queue: str
    kind: str
    counts: dict[str, int]
    oldest_queued_at: datetime | None
    paused: bool
    max_running: int | None


def backlog() -> list[Backlog]:
    """How every kind stands that has unfinished or dead jobs, or that an operator has a say on."""
    rows = database.execute_sql(
        """
        WITH counted AS (
          SELECT queue, kind, state, count(*) AS jobs,
            min(run_at) FILTER (WHERE state = 'queued') AS oldest
          FROM jobs WHERE state IN ('scheduled', 'queued', 'running', 'retrying', 'dead')
          GROUP BY queue, kind, state)
        SELECT queue, kind, jsonb_object_agg(state, jobs), min(oldest) FROM counted
        GROUP BY queue, kind ORDER BY queue, kind
        """
    ).fetchall()
    said = {control.name: control for control in JobControl.select()}
    found = {kind: (queue, counts, oldest) for queue, kind, counts, oldest in rows}
    for kind in KINDS.values():
        if kind.name in said:
            found.setdefault(kind.name, (kind.queue.value, {}, None))
    return [
        Backlog(queue, kind, counts, oldest, *_say(said, queue, kind))
        for kind, (queue, counts, oldest) in sorted(found.items())
    ]


def _say(said: dict[str, JobControl], queue: str, kind: str) -> tuple[bool, int | None]:
    controls = [said[name] for name in (ALL, queue, kind) if name in said]
    treatment = KINDS.get(kind)
    own = said[kind].max_running if kind in said else None
    default = treatment.max_running if treatment else None
    return any(control.paused for control in controls), own or default


def listed(
    *,
    states: Sequence[State] = (),
    kind: str | None = None,
    org_id: UUID | None = None,
    fingerprint: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Job]:
    """Jobs that fit, newest first; `before` is the last id of the page before."""
    query = Job.select().order_by(Job.id.desc()).limit(limit)
    for wanted, condition in (
        (states, Job.state.in_([*states])),
        (kind, Job.kind == kind),
        (org_id, Job.org_id == org_id),
        (fingerprint, Job.error_fingerprint == fingerprint),
        (before, Job.id < before),
    ):
        if wanted:
            query = query.where(condition)
    return list(query)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Dead jobs that failed alike."""

    fingerprint: str | None
    kind: str
    error: str
    jobs: int
    first_at: datetime
    last_at: datetime


def dead_letters() -> list[DeadLetters]:
    """Dead jobs by what they died of, most of them first."""
    rows = database.execute_sql(
        """
        SELECT error_fingerprint, kind, (array_agg(last_error ORDER BY finished_at DESC))[1],
          count(*), min(finished_at), max(finished_at)
        FROM jobs WHERE state = 'dead' GROUP BY error_fingerprint, kind ORDER BY count(*) DESC
        """
    ).fetchall()
    return [DeadLetters(*row) for row in rows]
