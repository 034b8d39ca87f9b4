"""What an operator is told of jobs: how each kind stands, single ones, what was given up and why.

Everything here runs in the caller's unit of work, of the platform, unless said otherwise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs.controls import ALL, Control, controls
from clozone.jobs.kinds import KINDS, State
from clozone.models.operations import Job

PAGE = 500


@dataclass(frozen=True, slots=True)
class Backlog:
    """How a kind of job stands: counts by state, and since when the oldest waits for its turn.

    `paused` is it also by its queue or by `all`; `max_running` is its own limit.
    """

    queue: str
    kind: str
    counts: dict[str, int]
    oldest_queued_at: datetime | None
    paused: bool
    max_running: int | None


def backlog() -> list[Backlog]:
    """How every kind stands that has unfinished or dead jobs."""
    # One condition for each index of unfinished or dead jobs; a single IN would read the ledger.
    rows = database.execute_sql(
        """
        WITH counted AS (
          SELECT queue, kind, state, count(*) AS jobs,
            min(run_at) FILTER (WHERE state = 'queued') AS oldest
          FROM jobs WHERE state = 'queued' OR state = 'running' OR state = 'dead'
            OR state IN ('scheduled', 'retrying')
          GROUP BY queue, kind, state)
        SELECT queue, kind, jsonb_object_agg(state, jobs), min(oldest) FROM counted
        GROUP BY queue, kind ORDER BY queue, kind
        """
    ).fetchall()
    said = {control.name: control for control in controls()}
    return [
        Backlog(queue, kind, counts, oldest, *_say(said, queue, kind))
        for queue, kind, counts, oldest in rows
    ]


def _say(said: dict[str, Control], queue: str, kind: str) -> tuple[bool, int | None]:
    treatment = KINDS.get(kind)
    own = said[kind].max_running if kind in said else None
    default = treatment.max_running if treatment else None
    paused = any(said[name].paused for name in (ALL, queue, kind) if name in said)
    return paused, own or default


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


def dead_alike(fingerprint: str) -> Iterator[UUID]:
    """Every dead job that failed like this, newest first; a unit of work for each page of them."""
    last: UUID | None = None
    while True:
        with unit_of_work(Scope.platform()):
            page = listed(states=[State.dead], fingerprint=fingerprint, before=last, limit=PAGE)
            ids = [job.id for job in page]
        if not ids:
            return
        yield from ids
        last = ids[-1]
