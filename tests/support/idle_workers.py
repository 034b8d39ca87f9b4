"""Real workers kept from taking jobs, for tests that run each job themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.controls import ALL, pause, resume


@contextmanager
def idle_workers() -> Iterator[None]:
    """No worker of this test worker's database takes a job inside the block: those of other folders
    live as long as the run. `OneJobRunner` does not ask.
    """
    with unit_of_work(Scope.platform()):
        pause(ALL, "a test runs the jobs itself")
    try:
        yield
    finally:
        with unit_of_work(Scope.platform()):
            resume(ALL)
