"""Running jobs: take a turn, perform it, and record what came of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from loguru import logger
from peewee import InterfaceError, OperationalError

from clozone.infra.postgres import unit_of_work, use_scope
from clozone.jobs import ledger
from clozone.jobs.ending import end
from clozone.jobs.failures import (
    MAX_REQUESTED_WAIT_SECONDS,
    POISON_AFTER,
    Quarantined,
    TimedOut,
    backoff,
    brief,
    fingerprint,
)
from clozone.jobs.kinds import KINDS, Queue, handler_of, runnable
from clozone.jobs.leases import Leases
from clozone.jobs.running import Running, TryOver
from clozone.kit.context import request_id
from clozone.kit.errors import Permanent, Postponed, Retryable
from clozone.settings import Settings

# From here on even a failure that the database is to blame for counts.
MOST_ATTEMPTS = 30


class Runner:
    """Runs jobs for one worker process."""

    def __init__(self, settings: Settings, leases: Leases) -> None:
        self._settings = settings
        self._leases = leases
        self._stop = threading.Event()
        # Whose turn was last, by queue. A start anywhere is fair, since every lap visits everybody.
        self._last: dict[Queue, UUID] = {}

    def drain(self, queue: Queue) -> None:
        """Take turns until nothing of the queue may run. Never raises: outcomes are in the ledger."""
        while not self._stop.is_set() and self.take_turn(queue):
            pass

    def stop(self) -> None:
        """Take no further turn."""
        self._stop.set()

    def take_turn(self, queue: Queue) -> bool:
        """Run the jobs of one turn; whether there were any."""
        try:
            claims = ledger.claim_turn(
                queue,
                runnable(queue),
                self._last.get(queue),
                self._leases.worker,
                self._settings.job_lease_seconds,
            )
        except Exception as error:
            # The rows stay queued, and the sweeper rings again.
            logger.bind(queue=queue.value, error=brief(error)).warning("no turn could be taken")
            return False
        if not claims:
            return False
        self._last[queue] = claims[0].turn_of
        self.perform(claims)
        return True

    def perform(self, claims: list[ledger.Claim]) -> None:
        """Run claimed jobs of one kind and organisation. Never raises."""
        jobs = [Running(claim) for claim in claims]
        self._leases.hold(jobs)
        try:
            self._run(jobs)
        finally:
            for job in jobs:
                self._leases.release(job)

    def time_out(self, job: Running) -> None:
        """Record that a job runs too long. Its thread may go on, but cannot write any more."""
        seconds = KINDS[job.kind].timeout_seconds
        with _told(job):
            self._record_failure(job, TimedOut(f"took longer than {seconds:g} s"))

    def _run(self, jobs: list[Running]) -> None:
        # What has harmed a worker, or failed, must not do so to others.
        together = [job for job in jobs if job.claim.lost == 0 and job.claim.failures == 0]
        alone = [job for job in jobs if job not in together]
        if len(together) > 1 and self._perform_together(together):
            together = []
        for job in together + alone:
            self._perform(job)
            self._leases.release(job)

    def _perform_together(self, jobs: list[Running]) -> bool:
        """Run jobs in one transaction. False if one failed: then nothing has happened."""
        began = time.monotonic()
        try:
            with unit_of_work(jobs[0].scope):
                held = ledger.finish([job.claim for job in jobs])
                for job in jobs:
                    if job.id in held:
                        job.in_group = True
                        with _told(job):
                            _handle(job)
        except Exception as error:
            for job in jobs:
                job.in_group = False
            logger.bind(kind=jobs[0].kind, error=brief(error)).info(
                "jobs that failed together are run one by one"
            )
            return False
        took = round((time.monotonic() - began) * 1000, 1)
        logger.bind(
            kind=jobs[0].kind, jobs=len(held), job_ids=[str(job.id) for job in jobs], ms=took
        ).info("jobs succeeded together")
        for job in jobs:
            if job.id not in held:
                with _told(job):
                    self._stop_short(job)
        return True

    def _perform(self, job: Running) -> None:
        began = time.monotonic()
        with _told(job):
            try:
                with use_scope(job.scope):
                    _handle(job)
                if not job.completed:
                    with job.completing():
                        pass
            except TryOver:
                self._stop_short(job)
            except Postponed as error:
                reason, after = str(error), error.after
                logger.bind(reason=reason, seconds=after).info("job postponed")
                end(job, lambda: ledger.postpone(job.claim, reason, after))
            except (OperationalError, InterfaceError) as error:
                # A lock waited for in vain, a deadlock, a server that restarts: not the job's fault.
                self._put_off(job, error)
            except Exception as error:
                self._record_failure(job, error)
            else:
                took = round((time.monotonic() - began) * 1000, 1)
                logger.bind(ms=took).info("job succeeded")

    @staticmethod
    def _stop_short(job: Running) -> None:
        if job.timed_out:
            logger.warning("a job that took too long has come back; nothing of it was written")
        elif end(job, lambda: ledger.end_cancelled(job.claim)) is None:
            logger.warning("lease lost, another worker has the job")

    def _put_off(self, job: Running, error: Exception) -> None:
        if job.attempt >= MOST_ATTEMPTS:
            self._record_failure(job, error)
            return
        reason = brief(error)
        delay = backoff(self._settings.job_retry_base_seconds, min(job.attempt, 5))
        logger.bind(error=reason).warning("the database is in the way, job put off")
        end(job, lambda: ledger.postpone(job.claim, reason, delay))

    def _record_failure(self, job: Running, error: Exception) -> None:
        reason = brief(error)
        mark = fingerprint(error)
        final = isinstance(error, Permanent) or job.claim.failures + 1 >= job.claim.max_attempts
        logger.bind(error=reason, final=final).opt(exception=error).warning("job failed")
        if final:
            end(job, lambda: ledger.give_up(job.claim, reason, mark), reason)
            return
        base = KINDS[job.kind].retry_base_seconds or self._settings.job_retry_base_seconds
        delay = backoff(base, job.claim.failures + 1)
        if isinstance(error, Retryable) and error.after is not None:
            delay = max(delay, min(error.after, MAX_REQUESTED_WAIT_SECONDS))
        end(job, lambda: ledger.retry_later(job.claim, reason, mark, delay), reason)


def _handle(job: Running) -> None:
    if job.cancelled:
        raise TryOver
    if job.claim.lost >= POISON_AFTER:
        raise Quarantined(job.claim.lost)
    handler = handler_of(job.kind)
    if handler is None:
        raise Permanent(f"no handler for {job.kind} in this version")
    handler(job)


@contextmanager
def _told(job: Running) -> Iterator[None]:
    """Log lines of the block carry the job's facts, and its calls the request it stems from."""
    token = request_id.set(job.request_id)
    try:
        with logger.contextualize(
            job_id=str(job.id),
            kind=job.kind,
            attempt=job.attempt,
            org_id=str(job.org_id) if job.org_id else None,
            request_id=job.request_id,
        ):
            yield
    finally:
        request_id.reset(token)
