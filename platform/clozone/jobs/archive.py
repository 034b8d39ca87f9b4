"""Finished jobs leave the ledger: written to object storage first, deleted in small batches."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson

from clozone.infra.object_storage import object_storage
from clozone.infra.postgres import database, unit_of_work
from clozone.jobs.kinds import RunningJob, State, job

# Small enough that neither a lock nor a burst of write-ahead log is felt.
BATCH = 1_000


@job("jobs.archive_finished")
def archive_finished(job: RunningJob) -> None:
    """Archive and delete what finished long enough ago: `keep_days`, `keep_dead_days`, `archive`.

    A batch is deleted once its object is stored. A crash in between repeats the batch under the
    same name, as a rule; at worst a job is archived twice, never deleted unarchived.
    """
    moved = 0
    objects: list[str] = []
    for states, days in (
        ((State.succeeded, State.cancelled), job.payload["keep_days"]),
        ((State.dead,), job.payload["keep_dead_days"]),
    ):
        for batch in _batches(states, days):
            if job.payload["archive"]:
                objects.append(_store(batch))
            with unit_of_work():
                # One that was taken up again meanwhile stays.
                database.execute_sql(
                    """
                    DELETE FROM jobs WHERE id = ANY(%(ids)s) AND state = ANY(%(states)s)
                      AND finished_at < now() - %(age)s
                    """,
                    {
                        "ids": [row["id"] for row in batch],
                        "states": [state.value for state in states],
                        "age": timedelta(days=days),
                    },
                )
            moved += len(batch)
            job.tell_progress(moved, note="finished jobs moved")
            job.checkpoint()
    job.result = {"moved": moved, "objects": objects}


def _batches(states: tuple[State, ...], days: float) -> Iterator[list[dict[str, Any]]]:
    while True:
        with unit_of_work():
            rows = database.execute_sql(
                """
                SELECT to_jsonb(j) || jsonb_build_object('tries', (
                  SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.attempt), '[]'::jsonb)
                  FROM job_attempts a WHERE a.job_id = j.id))
                FROM jobs j WHERE state = ANY(%(states)s) AND finished_at < now() - %(age)s
                ORDER BY finished_at, id LIMIT %(batch)s
                """,
                {
                    "states": [state.value for state in states],
                    "age": timedelta(days=days),
                    "batch": BATCH,
                },
            ).fetchall()
        if not rows:
            return
        yield [row for (row,) in rows]


def _store(batch: list[dict[str, Any]]) -> str:
    first, last = batch[0], batch[-1]
    day = str(first["finished_at"])[:10]
    lines = b"\n".join(orjson.dumps(row) for row in batch) + b"\n"
    key = f"archive/jobs/{day}/{first['id']}_{last['id']}.jsonl.gz"
    object_storage().put(key, gzip.compress(lines, mtime=0), "application/gzip")
    return key
