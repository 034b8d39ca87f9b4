"""The ledger's moves. Each is one statement, guarded by the state and the attempt it expects.

A job's effects happen exactly once because only the holder of the current attempt may finish it:
whoever lost its lease finds the number changed and writes nothing. All times are the database's,
so the workers' clocks do not matter.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from clozone.infra.postgres import database, one_statement
from clozone.jobs.kinds import Kind, Queue, State


@dataclass(frozen=True, slots=True)
class Claim:
    """A job taken by this worker, and the attempt under which it may finish it."""

    id: UUID
    org_id: UUID | None
    turn_of: UUID
    kind: str
    queue: Queue
    payload: dict[str, Any]
    subject_id: UUID | None
    attempt: int
    failures: int
    lost: int
    max_attempts: int
    request_id: str | None
    cancelled: bool


def claim_turn(
    queue: Queue, kinds: Sequence[Kind], after: UUID | None, worker: str, lease: float
) -> list[Claim]:
    """Take one turn of the organisation after `after`, best job first; empty if nothing may run.

    The jobs are of one kind and one organisation, and held for `lease` seconds. A transaction of
    its own. The rules are those of the function `claim_turn` in the database.
    """
    rows = one_statement(
        """
        SELECT id, org_id, turn_of, kind, queue, payload, subject_id, attempt, failures, lost,
          max_attempts, request_id, cancel_requested_at IS NOT NULL
        FROM claim_turn(%(queue)s, %(kinds)s::text[], %(turns)s::integer[], %(limits)s::integer[],
          %(after)s::uuid, %(worker)s, %(lease)s)
        ORDER BY priority DESC, run_at, id
        """,
        {
            "queue": queue.value,
            "kinds": [kind.name for kind in kinds],
            "turns": [kind.turn for kind in kinds],
            "limits": [kind.max_running for kind in kinds],
            "after": after,
            "worker": worker,
            "lease": timedelta(seconds=lease),
        },
    )
    return [Claim(*row) for row in rows]


def finish(claims: Collection[Claim]) -> set[UUID]:
    """Mark jobs done, as the first statement of the transaction of their effects; those still held.

    For a job whose attempt is no longer the current one, or that was cancelled, nothing may be
    written.
    """
    rows = database.execute_sql(
        """
        WITH ended AS (
          UPDATE jobs SET state = 'succeeded', lease_owner = NULL, lease_expires_at = NULL,
            last_error = NULL, error_fingerprint = NULL, finished_at = now()
          FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[]) AS held (id, attempt)
          WHERE jobs.id = held.id AND jobs.attempt = held.attempt AND jobs.state = 'running'
            AND jobs.cancel_requested_at IS NULL
          RETURNING jobs.id, jobs.org_id, jobs.attempt, jobs.claimed_at, old.lease_owner
        )
        INSERT INTO job_attempts (job_id, org_id, attempt, worker, outcome, started_at, finished_at)
        SELECT id, org_id, attempt, lease_owner, 'succeeded', claimed_at, clock_timestamp()
        FROM ended
        RETURNING job_id
        """,
        {
            "ids": [claim.id for claim in claims],
            "attempts": [claim.attempt for claim in claims],
        },
    ).fetchall()
    return {job_id for (job_id,) in rows}


def retry_later(claim: Claim, error: str, fingerprint: str, delay: float) -> State | None:
    """Count a failure and put the job back, due in `delay` seconds."""
    return _end_attempt(
        claim, "failed", error, State.retrying, delay=delay, failures=1, fingerprint=fingerprint
    )


def give_up(claim: Claim, error: str, fingerprint: str) -> State | None:
    """Count a failure and lay the job with the dead ones."""
    return _end_attempt(claim, "failed", error, State.dead, failures=1, fingerprint=fingerprint)


def hand_back(claim: Claim) -> State | None:
    """Put the job back without counting a failure: the worker is stopping."""
    return _end_attempt(claim, "released", None, State.queued)


def postpone(claim: Claim, reason: str, delay: float) -> State | None:
    """Put the job back for `delay` seconds without counting a failure: it could not begin yet."""
    return _end_attempt(claim, "released", reason, State.retrying, delay=delay)


def end_cancelled(claim: Claim) -> State | None:
    """Lay a job aside that was to be cancelled while it ran; None if nobody had asked for that."""
    return _end_attempt(claim, "cancelled", None, State.cancelled, only_cancelled=True)


def keep_result(claim: Claim, result: dict[str, Any]) -> None:
    """Keep what the job found out, for whoever asked. Belongs into the completing transaction."""
    database.execute_sql("UPDATE jobs SET result = %s WHERE id = %s", (Jsonb(result), claim.id))


def _end_attempt(
    claim: Claim,
    outcome: str,
    error: str | None,
    state: State,
    *,
    delay: float = 0,
    failures: int = 0,
    fingerprint: str | None = None,
    only_cancelled: bool = False,
) -> State | None:
    """End the current try. The state that the job is in now, None if the attempt is not current.

    A job that somebody wants cancelled is cancelled, however its try ended.
    """
    row = database.execute_sql(
        """
        WITH ended AS (
          UPDATE jobs SET
            state = CASE WHEN cancel_requested_at IS NULL THEN %(state)s ELSE 'cancelled' END,
            finished_at = CASE WHEN %(finished)s OR cancel_requested_at IS NOT NULL THEN now() END,
            -- Without a delay it keeps its place in the line.
            run_at = CASE WHEN %(delay)s > interval '0' THEN now() + %(delay)s ELSE run_at END,
            lease_owner = NULL, lease_expires_at = NULL, failures = failures + %(failures)s,
            -- Its worker has lived to tell: it is no poison.
            lost = 0,
            last_error = coalesce(%(error)s, cancel_reason), error_fingerprint = %(fingerprint)s
          WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
            AND (NOT %(only_cancelled)s OR cancel_requested_at IS NOT NULL)
          RETURNING id, org_id, attempt, state, last_error, claimed_at, old.lease_owner
        ), tries AS (
          INSERT INTO job_attempts
            (job_id, org_id, attempt, worker, outcome, error, started_at, finished_at)
          SELECT id, org_id, attempt, lease_owner, %(outcome)s, last_error, claimed_at,
            clock_timestamp()
          FROM ended
        )
        SELECT state FROM ended
        """,
        {
            "id": claim.id,
            "attempt": claim.attempt,
            "state": state.value,
            "finished": state in (State.dead, State.cancelled),
            "outcome": outcome,
            "error": error,
            "fingerprint": fingerprint,
            "failures": failures,
            "delay": timedelta(seconds=delay),
            "only_cancelled": only_cancelled,
        },
    ).fetchone()
    return State(row[0]) if row else None


def extend_leases(
    claims: Sequence[Claim], lease: float, progress: Mapping[UUID, dict[str, Any]]
) -> set[UUID]:
    """Extend the leases of running jobs by `lease` seconds and note how far they are.

    Returns the ids of those that somebody wants cancelled.
    """
    rows = database.execute_sql(
        """
        UPDATE jobs SET lease_expires_at = clock_timestamp() + %(lease)s,
          progress = coalesce(held.progress, jobs.progress)
        FROM (
          -- A locked row is being finished, or reclaimed: neither must hold up the others.
          SELECT jobs.id, held.progress FROM jobs
          JOIN unnest(%(ids)s::uuid[], %(attempts)s::int[], %(progress)s::jsonb[])
            AS held (id, attempt, progress)
            ON jobs.id = held.id AND jobs.attempt = held.attempt
          WHERE jobs.state = 'running' FOR UPDATE OF jobs SKIP LOCKED) held
        WHERE jobs.id = held.id
        RETURNING jobs.id, jobs.cancel_requested_at IS NOT NULL
        """,
        {
            "ids": [claim.id for claim in claims],
            "attempts": [claim.attempt for claim in claims],
            "progress": [
                Jsonb(progress[claim.id]) if claim.id in progress else None for claim in claims
            ],
            "lease": timedelta(seconds=lease),
        },
    ).fetchall()
    return {job_id for job_id, cancelled in rows if cancelled}


def server_seconds() -> float:
    """How long the server has been up, in seconds."""
    row = database.execute_sql(
        "SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float"
    ).fetchone()
    return float(row[0])


def reclaim_expired(grace: float = 0, limit: int = 500) -> int:
    """Put back the jobs whose worker has been silent for `grace` seconds more than its lease.

    Returns how many.
    """
    rows = database.execute_sql(
        """
        WITH expired AS (
          SELECT id FROM jobs WHERE state = 'running' AND lease_expires_at < now() - %(grace)s
          ORDER BY lease_expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ), back AS (
          -- Its time stays: what was interrupted goes before what came after it.
          UPDATE jobs SET state = 'queued', lost = lost + 1, lease_owner = NULL,
            lease_expires_at = NULL
          FROM expired WHERE jobs.id = expired.id
          RETURNING jobs.id, jobs.org_id, jobs.attempt, jobs.claimed_at, old.lease_owner
        ), tries AS (
          INSERT INTO job_attempts
            (job_id, org_id, attempt, worker, outcome, started_at, finished_at)
          SELECT id, org_id, attempt, lease_owner, 'lost', claimed_at, now() FROM back
        )
        SELECT id FROM back
        """,
        {"limit": limit, "grace": timedelta(seconds=grace)},
    ).fetchall()
    return len(rows)


def promote_due(limit: int = 1_000) -> int:
    """Let jobs whose time has come wait for their turn; how many."""
    rows = database.execute_sql(
        """
        UPDATE jobs SET state = 'queued' WHERE id IN (
          SELECT id FROM jobs WHERE state IN ('scheduled', 'retrying') AND run_at <= now()
          ORDER BY run_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
        RETURNING id
        """,
        {"limit": limit},
    ).fetchall()
    return len(rows)


def some_queued(kinds: Sequence[Kind], limit: int) -> list[tuple[Queue, UUID]]:
    """Up to `limit` jobs of each of these kinds that wait for their turn; (queue, id) of each."""
    rows = database.execute_sql(
        """
        SELECT k.queue, j.id FROM unnest(%(kinds)s::text[], %(queues)s::text[]) AS k (kind, queue),
        LATERAL (SELECT id FROM jobs WHERE state = 'queued' AND kind = k.kind
          LIMIT %(limit)s) j
        """,
        {
            "kinds": [kind.name for kind in kinds],
            "queues": [kind.queue.value for kind in kinds],
            "limit": limit,
        },
    ).fetchall()
    return [(Queue(queue), job_id) for queue, job_id in rows]
