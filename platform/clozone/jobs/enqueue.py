"""Putting work into the ledger, inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson

from clozone.infra.postgres import after_commit, current_scope, database
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import KINDS, UNFINISHED, Kind
from clozone.kit.context import request_id
from clozone.kit.ids import new_id
from clozone.models.operations import Job

# Of the platform's own jobs that are for no organisation.
PLATFORM_TURN = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Order:
    """One job to be added; see `enqueue` for the fields."""

    payload: Mapping[str, Any]
    subject_id: UUID | None = None
    dedupe_key: str | None = None
    run_at: datetime | None = None
    priority: int | None = None


def enqueue(
    kind: str,
    payload: Mapping[str, Any],
    *,
    subject_id: UUID | None = None,
    org_id: UUID | None = None,
    dedupe_key: str | None = None,
    run_at: datetime | None = None,
    priority: int | None = None,
    turn_of: UUID | None = None,
) -> UUID:
    """Add a job and return its id; it is announced to the workers once the transaction commits.

    `org_id` defaults to the organisation of the scope in use. `subject_id` is what the job is
    about, usually a session. With a `dedupe_key`, an unfinished job of the same key is returned
    instead of adding another. `payload` must be JSON. `run_at` is the earliest time; `priority`
    overrides the kind's (see `Kind`). `turn_of` is for a job of the platform: the organisation in
    whose turn it is taken, to which it gives no right; default: that of `org_id`.
    """
    order = Order(payload, subject_id, dedupe_key, run_at, priority)
    (job_id,) = enqueue_many(kind, [order], org_id=org_id, turn_of=turn_of)
    return job_id


def enqueue_many(
    kind: str, orders: Sequence[Order], *, org_id: UUID | None = None, turn_of: UUID | None = None
) -> list[UUID]:
    """Add jobs of one kind and organisation in one statement; their ids, in order (see `enqueue`)."""
    if not orders:
        return []
    treatment = KINDS[kind]
    if turn_of is not None and treatment.turn > 1:
        raise ValueError(f"jobs of {kind} commit together, so their turn is their organisation's")
    owner = org_id or current_scope().org_id
    insert = partial(_insert, treatment, owner, turn_of or owner or PLATFORM_TURN)
    ids = [new_id() for _ in orders]
    added = set(insert(ids, orders))
    for place, order in enumerate(orders):
        while ids[place] not in added:
            # The job in the way may finish at this moment; then there is room for ours.
            if existing := _unfinished(owner, order.dedupe_key):
                ids[place] = existing
                break
            added.update(insert([ids[place]], [order]))
    if added:
        after_commit(partial(delivery().ring, treatment.queue, min(added), times=len(added)))
    return ids


def _insert(
    treatment: Kind, org_id: UUID | None, turn_of: UUID, ids: list[UUID], orders: Sequence[Order]
) -> list[UUID]:
    # Times are the database's: a process whose clock is wrong still enqueues for now.
    rows = database.execute_sql(
        """
        INSERT INTO jobs (id, org_id, turn_of, kind, queue, payload, subject_id, dedupe_key, priority,
          state, run_at, attempt, failures, lost, max_attempts, request_id, created_at)
        SELECT id, %(org)s, %(turn)s, %(kind)s, %(queue)s, payload::jsonb, subject_id, dedupe_key,
          priority,
          CASE WHEN run_at > now() THEN 'scheduled' ELSE 'queued' END,
          coalesce(run_at, now()), 0, 0, 0, %(max_attempts)s, %(request)s, now()
        FROM unnest(%(ids)s::uuid[], %(payloads)s::text[], %(subjects)s::uuid[], %(keys)s::text[],
          %(times)s::timestamptz[], %(priorities)s::smallint[])
          AS o (id, payload, subject_id, dedupe_key, run_at, priority)
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        {
            "org": org_id,
            "turn": turn_of,
            "kind": treatment.name,
            "queue": treatment.queue.value,
            "max_attempts": treatment.max_attempts,
            "request": request_id.get(),
            "ids": ids,
            "payloads": [orjson.dumps(order.payload).decode() for order in orders],
            "subjects": [order.subject_id for order in orders],
            "keys": [order.dedupe_key for order in orders],
            "times": [order.run_at for order in orders],
            "priorities": [
                treatment.priority if order.priority is None else order.priority for order in orders
            ],
        },
    ).fetchall()
    return [job_id for (job_id,) in rows]


def _unfinished(org_id: UUID | None, dedupe_key: str | None) -> UUID | None:
    owned = Job.org_id.is_null() if org_id is None else Job.org_id == org_id
    found: UUID | None = (
        Job.select(Job.id)
        .where(owned, Job.dedupe_key == dedupe_key, Job.state.in_([*UNFINISHED]))
        .scalar()
    )
    return found
