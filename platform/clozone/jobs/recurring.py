"""Work that comes back: the scheduler enqueues it, once per time that is due."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.settings import Settings


@dataclass(frozen=True, slots=True)
class Recurring:
    """A kind of job to enqueue every so many seconds; never, if that is 0."""

    kind: str
    every_seconds: Callable[[Settings], float]
    payload: Callable[[Settings], dict[str, Any]] = lambda _settings: {}


RECURRING = (
    Recurring(
        "jobs.archive_finished",
        lambda _settings: 3_600.0,
        lambda settings: {
            "keep_days": settings.job_keep_days,
            "keep_dead_days": settings.job_keep_dead_days,
            "archive": settings.job_archive,
        },
    ),
    Recurring("notifications.prune", lambda _settings: 86_400.0),
    Recurring("reconciler.run", lambda settings: settings.reconcile_every_seconds),
)


def enqueue_recurring(settings: Settings) -> None:
    """Enqueue what is due. Of times that were missed, one is made up for.

    The next time moves in the transaction that enqueues, so two schedulers enqueue it once; and
    while the last one is unfinished, none is added.
    """
    for work in RECURRING:
        every = work.every_seconds(settings)
        if every <= 0:
            continue
        with unit_of_work(Scope.platform()):
            if _is_due(work.kind, every):
                key = f"recurring:{work.kind}"
                enqueue(work.kind, work.payload(settings), dedupe_key=key)


def _is_due(name: str, every: float) -> bool:
    row = database.execute_sql(
        """
        INSERT INTO recurring_jobs (name, next_at) VALUES (%(name)s, now() + %(every)s)
        ON CONFLICT (name) DO UPDATE
          SET next_at = CASE WHEN recurring_jobs.next_at + %(every)s > now()
            THEN recurring_jobs.next_at ELSE now() END + %(every)s
          WHERE recurring_jobs.next_at <= now()
        RETURNING name
        """,
        {"name": name, "every": timedelta(seconds=every)},
    ).fetchone()
    return row is not None
