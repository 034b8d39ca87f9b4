"""Keeping the leases of running jobs alive, ending what runs too long, giving back at the end."""

import threading
import time
from collections.abc import Callable
from uuid import UUID

from loguru import logger

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import ledger
from clozone.jobs.ending import hand_back
from clozone.jobs.failures import brief
from clozone.jobs.running import Running

# A handler that is not back this long after its time will not come back.
STUCK_AFTER_SECONDS = 60.0


class Leases:
    """The jobs this worker holds; a thread looks after them three times per lease."""

    def __init__(self, worker: str, lease_seconds: float) -> None:
        self.worker = worker
        self._lease = lease_seconds
        self._held: dict[UUID, Running] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="leases", daemon=True)
        self._on_timeout: Callable[[Running], None] | None = None

    def start(self, on_timeout: Callable[[Running], None] | None = None) -> None:
        """Begin to extend; `on_timeout(job)` is called once for a job that runs too long."""
        self._on_timeout = on_timeout
        self._thread.start()

    def hold(self, jobs: list[Running]) -> None:
        """Hold the leases of claimed jobs until they are released."""
        with self._lock:
            self._held.update((job.id, job) for job in jobs)

    def release(self, job: Running) -> None:
        """Let go of a job whose try has ended."""
        with self._lock:
            if self._held.get(job.id) is job:
                del self._held[job.id]

    def running(self) -> list[Running]:
        """What is running now."""
        with self._lock:
            return list(self._held.values())

    def stuck(self) -> list[Running]:
        """Jobs whose handler has not come back though its time was over long ago."""
        limit = time.monotonic() - STUCK_AFTER_SECONDS
        return [job for job in self.running() if job.deadline is not None and job.deadline < limit]

    def hand_back(self) -> None:
        """Stop extending, and put back what still runs: the process is about to end."""
        self._stop.set()
        back = sum(hand_back(job) for job in self.running() if not job.timed_out)
        if back:
            logger.bind(jobs=back).warning("handed back what did not finish in time")

    def _look_after(self) -> None:
        while not self._stop.wait(self._lease / 3):
            try:
                self._extend()
            except Exception as error:
                # The next round tries again; a lost lease costs a repetition, never an effect.
                logger.bind(error=brief(error)).warning("leases could not be extended")

    def _extend(self) -> None:
        late = [job for job in self.running() if self._is_late(job)]
        jobs = [job for job in self.running() if job not in late]
        if jobs:
            told = {job.id: job.progress for job in jobs if job.progress is not None}
            with unit_of_work(Scope.platform()):
                cancelled = ledger.extend_leases([job.claim for job in jobs], self._lease, told)
            for job in jobs:
                job.cancelled = job.cancelled or job.id in cancelled
        for job in late:
            if not job.timed_out:
                job.timed_out = True
                self._end_late(job)

    @staticmethod
    def _is_late(job: Running) -> bool:
        return job.deadline is not None and time.monotonic() > job.deadline

    def _end_late(self, job: Running) -> None:
        if self._on_timeout is not None:
            # Its row may be locked for seconds, which the other jobs' leases do not have.
            threading.Thread(target=self._on_timeout, args=(job,), daemon=True).start()
