"""Running one job: claim, perform, and record what came of it."""

import hashlib
import random
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from loguru import logger
from peewee import OperationalError

from clozone.infra.postgres import Scope, after_commit, unit_of_work, use_scope
from clozone.jobs import ledger
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import after_death_of, handler_of
from clozone.jobs.leases import Leases
from clozone.kit.context import request_id
from clozone.kit.errors import Permanent, Postponed, Retryable
from clozone.settings import Settings

# A job that took this many workers down with it is not given a further one.
POISON_AFTER = 3

MAX_BACKOFF_SECONDS = 3_600.0

# From here on even a failure that the database is to blame for counts.
MOST_ATTEMPTS = 30


class LeaseLost(Exception):
    """Another worker has the job by now; nothing of this attempt may be written."""


class Running:
    """A claimed job in the hands of its handler (see `kinds.RunningJob`)."""

    def __init__(self, claim: ledger.Claim) -> None:
        self.claim = claim
        self.id = claim.id
        self.org_id = claim.org_id
        self.kind = claim.kind
        self.payload = claim.payload
        self.subject_id = claim.subject_id
        self.attempt = claim.attempt
        self.request_id = claim.request_id
        self.scope = Scope.tenant(claim.org_id) if claim.org_id else Scope.platform()
        self.result: dict[str, Any] | None = None
        self.completed = False

    @contextmanager
    def completing(self) -> Iterator[None]:
        """A unit of work in which the effects and the completion commit together.

        The fence is its first statement; raises LeaseLost if the attempt is no longer current.
        """
        with unit_of_work(self.scope):
            if not ledger.finish(self.claim):
                raise LeaseLost
            yield
            if self.result is not None:
                ledger.keep_result(self.claim, self.result)
        self.completed = True


class Runner:
    """Runs jobs for one worker process."""

    def __init__(self, settings: Settings, leases: Leases) -> None:
        self._settings = settings
        self._leases = leases

    def run(self, job_id: UUID) -> None:
        """Run the job if it can be claimed. Never raises: the outcome is in the ledger."""
        try:
            with unit_of_work(Scope.platform()):
                claim = ledger.claim(job_id, self._leases.worker, self._settings.job_lease_seconds)
        except OperationalError as error:
            # The row stays due, and the sweeper sends it again.
            logger.bind(job_id=str(job_id), error=str(error)).warning("a job could not be claimed")
            return
        if claim is None:
            return
        token = request_id.set(claim.request_id)
        try:
            with (
                self._leases.held(claim),
                logger.contextualize(
                    job_id=str(claim.id),
                    kind=claim.kind,
                    attempt=claim.attempt,
                    org_id=str(claim.org_id) if claim.org_id else None,
                    request_id=claim.request_id,
                ),
            ):
                self._perform(Running(claim))
        finally:
            request_id.reset(token)

    def _perform(self, job: Running) -> None:
        began = time.monotonic()
        try:
            self._handle(job)
        except LeaseLost:
            logger.warning("lease lost, another worker has the job")
        except Postponed as error:
            reason, after = str(error), error.after
            logger.bind(reason=reason, seconds=after).info("job postponed")
            self._again(job, after, lambda: ledger.postpone(job.claim, reason, after))
        except OperationalError as error:
            # A lock waited for in vain, a deadlock, a server that restarts: not the job's fault.
            self._put_off(job, error)
        except Exception as error:
            self._record_failure(job, error)
        else:
            took = round((time.monotonic() - began) * 1000, 1)
            logger.bind(ms=took).info("job succeeded")

    def _handle(self, job: Running) -> None:
        handler = handler_of(job.kind)
        if handler is None:
            raise Permanent(f"no handler for {job.kind} in this version")
        if job.claim.lost >= POISON_AFTER:
            raise Permanent(f"quarantined: {job.claim.lost} workers fell silent while running it")
        with use_scope(job.scope):
            handler(job)
        if not job.completed:
            with job.completing():
                pass

    def _put_off(self, job: Running, error: OperationalError) -> None:
        if job.attempt >= MOST_ATTEMPTS:
            self._record_failure(job, error)
            return
        reason = brief(error)
        delay = backoff(self._settings.job_retry_base_seconds, min(job.attempt, 5))
        logger.bind(error=reason).warning("the database is in the way, job put off")
        self._again(job, delay, lambda: ledger.postpone(job.claim, reason, delay))

    def _record_failure(self, job: Running, error: Exception) -> None:
        reason = brief(error)
        mark = fingerprint(error)
        final = isinstance(error, Permanent) or job.claim.failures + 1 >= job.claim.max_attempts
        logger.bind(error=reason, final=final).opt(exception=error).warning("job failed")
        if final:
            with _recording(job):
                _bury(job, reason, mark)
            return
        delay = backoff(self._settings.job_retry_base_seconds, job.claim.failures + 1)
        if isinstance(error, Retryable) and error.after is not None:
            delay = max(delay, error.after)
        self._again(job, delay, lambda: ledger.retry_later(job.claim, reason, mark, delay))

    @staticmethod
    def _again(job: Running, delay: float, move: Callable[[], bool]) -> None:
        with _recording(job):
            if move():
                after_commit(lambda: delivery().send(job.claim.queue, [job.id], delay=delay))


@contextmanager
def _recording(job: Running) -> Iterator[None]:
    """A unit of work that records the end of a try. When that fails, the sweeper mends it."""
    try:
        with unit_of_work(job.scope):
            yield
    except Exception as error:
        logger.bind(error=brief(error)).error("the end of a try could not be recorded")


def _bury(job: Running, reason: str, mark: str) -> None:
    if ledger.give_up(job.claim, reason, mark):
        mourn = after_death_of(job.kind)
        if mourn is not None:
            mourn(job, reason)


def backoff(base: float, failures: int) -> float:
    """Seconds to wait after the n-th failure: exponential, with up to a quarter of jitter."""
    wait: float = base * 2.0 ** (failures - 1)
    return min(wait, MAX_BACKOFF_SECONDS) * random.uniform(1, 1.25)


def brief(error: BaseException) -> str:
    """Type and first line of an error: further lines quote data, PostgreSQL's the row."""
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"[:500]


def fingerprint(error: BaseException) -> str:
    """A short mark that equal failures share: type, place and message without its particulars."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].name}" if frames else ""
    words = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "#", str(error))
    return hashlib.sha256(f"{type(error).__name__}|{place}|{words}".encode()).hexdigest()[:16]
