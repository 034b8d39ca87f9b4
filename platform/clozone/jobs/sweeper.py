"""Mending what delivery lost: expired leases and announcements that never arrived."""

from uuid import UUID

from loguru import logger

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import ledger
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import Queue

# A longer queue in Redis explains why jobs wait: sending them again would only lengthen it, so it
# is done much later.
BUSY_BACKLOG = 200
BUSY_PATIENCE = 10


def sweep(redeliver_after: float) -> int:
    """Put back jobs of silent workers, and announce again what is due and was not taken.

    `redeliver_after` is in seconds. Returns how many jobs were announced. Safe to run twice at
    once: rows are locked, and a second announcement finds the job taken.
    """
    with unit_of_work(Scope.platform()):
        reclaimed = ledger.reclaim_expired()
    if reclaimed:
        logger.bind(jobs=len(reclaimed)).warning("leases expired, jobs put back")
    return sum(_announce(queue, reclaimed, redeliver_after) for queue in Queue)


def _announce(queue: Queue, reclaimed: list[tuple[UUID, Queue]], redeliver_after: float) -> int:
    due = [job_id for job_id, lane in reclaimed if lane is queue]
    if delivery().backlog(queue) >= BUSY_BACKLOG:
        redeliver_after *= BUSY_PATIENCE
    with unit_of_work(Scope.platform()):
        due += ledger.overdue(queue, redeliver_after)
    delivery().send(queue, due)
    return len(due)
