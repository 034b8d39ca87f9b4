"""Mending what delivery lost, and letting those in whose time has come."""

import time
from collections import defaultdict
from uuid import UUID

from loguru import logger

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import ledger
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import KINDS, Queue

# How many threads are woken for what waits without anybody seeing to it, per kind and sweep.
RINGS = 8


# Sweeps follow one another faster than this, unless the server does not answer.
ABSENCE_SECONDS = 1.5


class Sweeper:
    """Puts back jobs of silent workers, lets in what is due, and rings for all that waits.

    Two may sweep at once: rows are locked, and a bell that rings for nothing costs a look.
    """

    def __init__(self, lease: float) -> None:
        """`lease` is how long a worker may be silent, in seconds."""
        self._lease = lease
        self._last: float | None = None
        self._away = 0.0
        self._away_counts_until = 0.0

    def sweep(self) -> None:
        """Once through all of it. Raises OperationalError when the server is away."""
        with unit_of_work(Scope.platform()):
            self._note_absence()
            reclaimed = ledger.reclaim_expired(grace=self._away)
            ledger.promote_due()
            waiting = ledger.some_queued([*KINDS.values()], RINGS)
        self._last = time.monotonic()
        if reclaimed:
            logger.bind(jobs=reclaimed).warning("leases expired, jobs put back")
        lanes: dict[Queue, list[UUID]] = defaultdict(list)
        for queue, job_id in waiting:
            lanes[queue].append(job_id)
        for queue, job_ids in lanes.items():
            delivery().ring(queue, job_ids[0], times=len(job_ids))

    def _note_absence(self) -> None:
        """While the server stood still, or was cut off, no worker could extend its leases either.

        So leases given before count as extended by that time, for as long as one lasts: then every
        worker has been heard that will be. A sweeper that has only just begun does not know of it;
        it goes by how long the server has been up.
        """
        now = time.monotonic()
        if now > self._away_counts_until:
            self._away = 0.0
        if self._last is None:
            absence = self._lease if ledger.server_seconds() < self._lease else 0.0
        else:
            absence = now - self._last
        if absence > ABSENCE_SECONDS:
            self._away += absence
            self._away_counts_until = now + self._lease
