"""Putting work into the ledger, inside the caller's transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from clozone.infra.postgres import after_commit, current_scope
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import KINDS
from clozone.kit.clock import now
from clozone.kit.context import request_id
from clozone.kit.ids import new_id
from clozone.models.operations import Job


def enqueue(
    kind: str,
    payload: Mapping[str, Any],
    *,
    subject_id: UUID | None = None,
    org_id: UUID | None = None,
    dedupe_key: str | None = None,
    run_at: datetime | None = None,
) -> UUID:
    """Add a job and return its id; it is announced to the workers once the transaction commits.

    `org_id` defaults to the organisation of the scope in use. `subject_id` is what the job is
    about, usually a session. With a `dedupe_key`, an unfinished job of the same key is returned
    instead of adding another. `payload` must be JSON.
    """
    treatment = KINDS[kind]
    owner = org_id or current_scope().org_id
    moment = now()
    due = run_at or moment
    row = {
        "id": new_id(),
        "org_id": owner,
        "kind": kind,
        "queue": treatment.queue,
        "payload": dict(payload),
        "subject_id": subject_id,
        "dedupe_key": dedupe_key,
        "run_at": due,
        "dispatched_at": max(due, moment),
        "max_attempts": treatment.max_attempts,
        "request_id": request_id.get(),
        "created_at": moment,
    }
    while not (added := _insert(row)):
        # The job in the way may finish at this moment; then there is room for ours.
        if existing := _unfinished(owner, dedupe_key):
            return existing
    wait = max((due - moment).total_seconds(), 0)
    after_commit(lambda: delivery().send(treatment.queue, added, delay=wait))
    return added[0]


def _insert(row: Mapping[str, Any]) -> list[UUID]:
    added = Job.insert(row).on_conflict(action="ignore").returning(Job.id).tuples().execute()
    return [job_id for (job_id,) in added]


def _unfinished(org_id: UUID | None, dedupe_key: str | None) -> UUID | None:
    owned = Job.org_id.is_null() if org_id is None else Job.org_id == org_id
    found: UUID | None = (
        Job.select(Job.id)
        .where(
            owned,
            Job.dedupe_key == dedupe_key,
            Job.state.in_(("queued", "running", "retrying")),
        )
        .scalar()
    )
    return found
