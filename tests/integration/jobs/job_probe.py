import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import kinds, ledger
from clozone.jobs.enqueue import enqueue
from clozone.jobs.kinds import Kind, Queue, RunningJob
from clozone.jobs.leases import Leases
from clozone.jobs.runner import Runner
from clozone.jobs.sweeper import Sweeper
from clozone.models.operations import Job, JobAttempt
from clozone.settings import Settings

LEASE_SECONDS = 0.6


@dataclass
class Probe:
    """A kind of job whose handler is the test's, and what it has done."""

    org_id: UUID
    settings: Settings
    kind: str = "test.probe"
    handler: Callable[[RunningJob], None] = lambda _: None
    effects: list[int] = field(default_factory=list)

    def attach(
        self,
        kind: str | None = None,
        after_death: Callable[[RunningJob, str], None] | None = None,
        before_revival: Callable[[RunningJob], None] | None = None,
        **treatment: Any,
    ) -> None:
        """Attach the test's handler to its kind, or to a further one, treated like this."""
        name = kind or self.kind
        kinds.KINDS[name] = Kind(name, Queue.bulk, **treatment)
        kinds.job(name, after_death=after_death, before_revival=before_revival)(self._run)

    def _run(self, job: RunningJob) -> None:
        self.handler(job)

    def enqueue(
        self,
        payload: dict[str, Any] | None = None,
        *,
        kind: str | None = None,
        org_id: UUID | None = None,
        **options: Any,
    ) -> UUID:
        """Add a job in a transaction of its own."""
        with unit_of_work(Scope.tenant(org_id or self.org_id)):
            return enqueue(kind or self.kind, payload or {}, **options)

    def worker(self, name: str = "worker-1", lease: float = LEASE_SECONDS) -> "Worker":
        """A worker's runner, without the consumer: the test says what it runs."""
        settings = self.settings.model_copy(update={"job_lease_seconds": lease})
        return Worker(Leases(name, lease), settings)

    def row(self, job_id: UUID) -> Job:
        """The job as it stands."""
        with unit_of_work(Scope.platform()):
            row: Job = Job.get_by_id(job_id)
            return row

    def outcomes(self, job_id: UUID) -> list[str]:
        """How its tries ended, in order."""
        with unit_of_work(Scope.platform()):
            return [
                outcome
                for (outcome,) in JobAttempt.select(JobAttempt.outcome)
                .where(JobAttempt.job_id == job_id)
                .order_by(JobAttempt.attempt)
                .tuples()
            ]

    def make_due(self, job_id: UUID) -> None:
        """Let a waiting retry be due now, and have the sweeper see it."""
        with unit_of_work(Scope.platform()):
            Job.update(run_at=Job.created_at).where(Job.id == job_id).execute()
        self.sweep()

    @staticmethod
    def sweep() -> None:
        """What the scheduler does every half second."""
        Sweeper(lease=0).sweep()

    def claim_and_vanish(self) -> None:
        """Take a turn as a worker that is killed at once, and whose lease is over."""
        claims = ledger.claim_turn(Queue.bulk, kinds.runnable(Queue.bulk), None, "doomed", 0)
        assert claims, "there was nothing to take"

    @contextmanager
    def lock(self, job_id: UUID) -> Iterator[None]:
        """Somebody else's transaction that holds the job's row."""
        url = self.settings.database_url.get_secret_value()
        with psycopg.connect(url) as other:
            other.execute("SET ROLE clozone_platform")
            other.execute("SELECT 1 FROM jobs WHERE id = %s FOR UPDATE", (job_id,))
            yield
            other.rollback()

    def expire_lease(self, job_id: UUID) -> None:
        """Make the worker look silent for longer than its lease."""
        with unit_of_work(Scope.platform()):
            Job.update(lease_expires_at=Job.created_at).where(Job.id == job_id).execute()


class Worker:
    """One runner with its leases."""

    def __init__(self, leases: Leases, settings: Settings) -> None:
        self.leases = leases
        self.runner = Runner(settings, leases)

    def run(self, turns: int = 1) -> bool:
        """Take turns of the bulk queue here and now; whether the last one had a job."""
        return [self.runner.take_turn(Queue.bulk) for _ in range(turns)][-1]

    def drain(self) -> None:
        """Take turns until nothing waits."""
        self.runner.drain(Queue.bulk)

    def start(self) -> threading.Thread:
        """Take one turn on a thread."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        return thread


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition; fails when it does not come about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.01)
