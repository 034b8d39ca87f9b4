"""The ledger's moves. Each is one statement, guarded by the state and the attempt it expects.

A job's effects happen exactly once because only the holder of the current attempt may finish it:
whoever lost its lease finds the number changed and writes nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from clozone.infra.postgres import database
from clozone.jobs.kinds import Queue


@dataclass(frozen=True, slots=True)
class Claim:
    """A job taken by this worker, and the attempt under which it may finish it."""

    id: UUID
    org_id: UUID | None
    kind: str
    queue: Queue
    payload: dict[str, Any]
    subject_id: UUID | None
    attempt: int
    failures: int
    lost: int
    max_attempts: int
    request_id: str | None


def claim(job_id: UUID, worker: str, lease: float) -> Claim | None:
    """Take a due job for `lease` seconds; None if it is not to be had (taken, done, not due)."""
    row = database.execute_sql(
        """
        WITH claimed AS (
          UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_owner = %(worker)s,
            lease_expires_at = now() + %(lease)s, started_at = coalesce(started_at, now())
          WHERE id = %(id)s AND state IN ('queued', 'retrying')
            AND run_at <= now() + interval '1 second'
          RETURNING *
        ), try AS (
          INSERT INTO job_attempts (id, job_id, org_id, attempt, worker, outcome, started_at)
          SELECT uuidv7(), id, org_id, attempt, %(worker)s, 'running', now() FROM claimed
        )
        SELECT id, org_id, kind, queue, payload, subject_id, attempt, failures, lost,
          max_attempts, request_id FROM claimed
        """,
        {"id": job_id, "worker": worker, "lease": timedelta(seconds=lease)},
    ).fetchone()
    return Claim(*row) if row else None


def finish(claim: Claim) -> bool:
    """Mark the job done, as the first statement of the transaction of its effects.

    False if the attempt is no longer the current one: then nothing may be written.
    """
    return _end_attempt(claim, "succeeded", None, state="succeeded", finished=True)


def retry_later(claim: Claim, error: str, fingerprint: str, delay: float) -> bool:
    """Count a failure and put the job back, due in `delay` seconds."""
    return _end_attempt(
        claim,
        "failed",
        error,
        state="retrying",
        delay=delay,
        failures=1,
        fingerprint=fingerprint,
    )


def give_up(claim: Claim, error: str, fingerprint: str) -> bool:
    """Count a failure and lay the job with the dead ones."""
    return _end_attempt(
        claim, "failed", error, state="dead", failures=1, fingerprint=fingerprint, finished=True
    )


def hand_back(claim: Claim) -> bool:
    """Put the job back without counting a failure: the worker is stopping."""
    return _end_attempt(claim, "released", None, state="queued")


def postpone(claim: Claim, reason: str, delay: float) -> bool:
    """Put the job back for `delay` seconds without counting a failure: it could not begin yet."""
    return _end_attempt(claim, "released", reason, state="retrying", delay=delay)


def keep_result(claim: Claim, result: dict[str, Any]) -> None:
    """Keep what the job found out, for whoever asked. Belongs into the completing transaction."""
    database.execute_sql("UPDATE jobs SET result = %s WHERE id = %s", (Jsonb(result), claim.id))


def _end_attempt(
    claim: Claim,
    outcome: str,
    error: str | None,
    *,
    state: str,
    delay: float = 0,
    failures: int = 0,
    fingerprint: str | None = None,
    finished: bool = False,
) -> bool:
    row = database.execute_sql(
        """
        WITH ended AS (
          UPDATE jobs SET state = %(state)s, lease_owner = NULL, lease_expires_at = NULL,
            failures = failures + %(failures)s,
            last_error = %(error)s, error_fingerprint = %(fingerprint)s,
            run_at = CASE WHEN %(finished)s THEN run_at ELSE now() + %(delay)s END,
            dispatched_at = now() + %(delay)s,
            finished_at = CASE WHEN %(finished)s THEN now() END
          WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
          RETURNING id, attempt
        )
        UPDATE job_attempts SET outcome = %(outcome)s, error = %(error)s, finished_at = now()
        FROM ended WHERE job_attempts.job_id = ended.id AND job_attempts.attempt = ended.attempt
        RETURNING job_attempts.job_id
        """,
        {
            "id": claim.id,
            "attempt": claim.attempt,
            "state": state,
            "outcome": outcome,
            "error": error,
            "fingerprint": fingerprint,
            "failures": failures,
            "delay": timedelta(seconds=delay),
            "finished": finished,
        },
    ).fetchone()
    return row is not None


def extend_leases(claims: list[Claim], lease: float) -> set[UUID]:
    """Extend the leases of running jobs by `lease` seconds; the ids still held."""
    rows = database.execute_sql(
        """
        UPDATE jobs SET lease_expires_at = now() + %(lease)s
        WHERE id IN (
          -- A locked row is being finished, or reclaimed: neither must hold up the others.
          SELECT jobs.id FROM jobs
          JOIN unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS held (id, attempt)
            ON jobs.id = held.id AND jobs.attempt = held.attempt
          WHERE jobs.state = 'running' FOR UPDATE OF jobs SKIP LOCKED)
        RETURNING id
        """,
        {
            "ids": [claim.id for claim in claims],
            "attempts": [claim.attempt for claim in claims],
            "lease": timedelta(seconds=lease),
        },
    ).fetchall()
    return {job_id for (job_id,) in rows}


def reclaim_expired(limit: int = 500) -> list[tuple[UUID, Queue]]:
    """Put back the jobs whose worker fell silent; (id, queue) of each."""
    rows = database.execute_sql(
        """
        WITH expired AS (
          SELECT id FROM jobs WHERE state = 'running' AND lease_expires_at < now()
          ORDER BY lease_expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ), back AS (
          UPDATE jobs SET state = 'queued', lost = lost + 1, lease_owner = NULL,
            lease_expires_at = NULL, run_at = now(), dispatched_at = now()
          FROM expired WHERE jobs.id = expired.id
          RETURNING jobs.id, jobs.queue, jobs.attempt
        ), tries AS (
          UPDATE job_attempts SET outcome = 'lost', finished_at = now()
          FROM back WHERE job_attempts.job_id = back.id AND job_attempts.attempt = back.attempt
        )
        SELECT id, queue FROM back
        """,
        {"limit": limit},
    ).fetchall()
    return [(job_id, Queue(queue)) for job_id, queue in rows]


def overdue(queue: Queue, older_than: float, limit: int = 500) -> list[UUID]:
    """Mark as sent again, and return, due jobs whose announcement is `older_than` seconds ago."""
    rows = database.execute_sql(
        """
        UPDATE jobs SET dispatched_at = now() WHERE id IN (
          SELECT id FROM jobs WHERE state IN ('queued', 'retrying') AND queue = %(queue)s
            AND run_at <= now() AND (dispatched_at IS NULL OR dispatched_at < now() - %(age)s)
          ORDER BY run_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
        RETURNING id
        """,
        {"queue": queue, "age": timedelta(seconds=older_than), "limit": limit},
    ).fetchall()
    return [job_id for (job_id,) in rows]
