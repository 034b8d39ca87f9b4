"""Keeping the leases of running jobs alive, and giving back what cannot finish."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

from loguru import logger

from clozone.infra.postgres import Scope, after_commit, unit_of_work
from clozone.jobs import ledger
from clozone.jobs.delivery import delivery


class Leases:
    """The jobs this worker holds; a thread extends their leases three times per lease."""

    def __init__(self, worker: str, lease_seconds: float) -> None:
        self.worker = worker
        self._lease = lease_seconds
        self._held: dict[UUID, ledger.Claim] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._extend_forever, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to extend."""
        self._thread.start()

    @contextmanager
    def held(self, claim: ledger.Claim) -> Iterator[None]:
        """Hold the lease of a claim while the block runs."""
        with self._lock:
            self._held[claim.id] = claim
        try:
            yield
        finally:
            with self._lock:
                if self._held.get(claim.id) is claim:
                    del self._held[claim.id]

    def claims(self) -> list[ledger.Claim]:
        """What is running now."""
        with self._lock:
            return list(self._held.values())

    def hand_back(self) -> None:
        """Stop extending, and put back what still runs: the process is about to end."""
        self._stop.set()
        unfinished = self.claims()
        if not unfinished:
            return
        with unit_of_work(Scope.platform()):
            for claim in unfinished:
                if ledger.hand_back(claim):
                    after_commit(partial(delivery().send, claim.queue, [claim.id]))
        logger.bind(jobs=len(unfinished)).warning("handed back what did not finish in time")

    def _extend_forever(self) -> None:
        while not self._stop.wait(self._lease / 3):
            claims = self.claims()
            if not claims:
                continue
            try:
                with unit_of_work(Scope.platform()):
                    ledger.extend_leases(claims, self._lease)
            except Exception as error:
                # The next round tries again; a lost lease costs a repetition, never an effect.
                logger.bind(error=str(error)).warning("leases could not be extended")
