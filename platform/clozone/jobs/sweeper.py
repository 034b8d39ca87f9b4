"""Mending what delivery lost, and letting those in whose time has come."""

from collections import defaultdict
from uuid import UUID

from loguru import logger

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import ledger
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import KINDS, Queue

# How many threads are woken for what waits without anybody seeing to it, per kind and sweep.
RINGS = 8


def sweep(lease: float) -> int:
    """Put back jobs of silent workers, let in what is due, and ring for all that waits.

    `lease` is how long a worker may be silent, in seconds. Returns how many jobs were put back or let in. Safe to run twice at once: rows are locked, and
    a bell that rings for nothing costs a look.
    """
    with unit_of_work(Scope.platform()):
        reclaimed = ledger.reclaim_expired(lease)
        due = ledger.promote_due()
        waiting = ledger.some_queued([*KINDS.values()], RINGS)
    if reclaimed:
        logger.bind(jobs=len(reclaimed)).warning("leases expired, jobs put back")
    lanes: dict[Queue, list[UUID]] = defaultdict(list)
    for queue, job_id in waiting:
        lanes[queue].append(job_id)
    for queue, job_ids in lanes.items():
        delivery().ring(queue, job_ids[0], times=len(job_ids))
    return len(reclaimed) + len(due)
