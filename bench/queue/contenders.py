"""Who is measured: how each enqueues, how its worker is started, with which settings."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.queue.install import RIVALS, Installed

ROOT = Path(__file__).parents[2]
PYTHON = (sys.executable, "-m")
OURS = (*PYTHON, "bench.queue.ours")

CLOZONE = "Clozone"
ALONE = "Clozone, one job a transaction"
SPREAD = "Clozone, 100 organisations"
TWO_WORKERS = "Clozone, two workers"
BULLMQ = "BullMQ"
BULLMQ_TUNED = "BullMQ, 5 s locks"
CELERY_THREADS = "Celery, acks_late, 8 threads"
CELERY_PREFORK = "Celery, acks_late, 8 processes"
CELERY_QUICK = "Celery, acks_late, tuned"
DRAMATIQ = "dramatiq, 8 threads"
HUEY = "huey, 8 threads"
PROCRASTINATE = "procrastinate"
PROCRASTINATE_RECIPE = "procrastinate, its recipe"


@dataclass(frozen=True, slots=True)
class Contender:
    """One queue. `fill` is followed by BODY FIRST JOBS and its own further words.

    `jobs` is how many it is given to measure its rate; `database` is its Redis database.
    """

    name: str
    fill: tuple[str, ...]
    work: tuple[str, ...]
    database: int
    jobs: int = 10_000
    variant: str = "default"
    fill_words: tuple[str, ...] = ()
    folder: Path = RIVALS
    workers: int = 1
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether it runs on the platform's own code."""
        return self.fill == OURS


def ours(name: str, *, turn: int, threads: int = 4) -> Contender:
    """The platform with workers of so many threads; 4 is how it is shipped."""
    environment = {"BENCH_TURN": str(turn), "WORKER_THREADS_INTERACTIVE": str(threads)}
    return Contender(name, OURS, (*OURS, "worker"), 0, folder=ROOT, environment=environment)


def rivals(installed: Installed) -> Iterator[Contender]:
    """Every rival that is installed."""
    if installed.node_modules is not None:
        bullmq = ("node", str(RIVALS / "bullmq.js"))
        path = {"NODE_PATH": str(installed.node_modules)}
        for name, database, variant in ((BULLMQ, 2, "default"), (BULLMQ_TUNED, 3, "tuned")):
            yield Contender(
                name, bullmq, (*bullmq, "worker"), database, variant=variant, environment=path
            )
    if installed.python_programs is None:
        return
    programs = installed.python_programs
    python = str(programs / "python")
    options = ["-A", "on_celery", "worker", "-c", "8", "--loglevel", "WARNING", "-P"]
    celery = (str(programs / "celery"), *options)
    for name, database, variant, pool in (
        (CELERY_THREADS, 4, "late", "threads"),
        (CELERY_PREFORK, 5, "late", "prefork"),
        (CELERY_QUICK, 6, "late-quick", "prefork"),
    ):
        fill: tuple[str, ...] = (python, "on_celery.py")
        yield Contender(name, fill, (*celery, pool), database, jobs=4_000, variant=variant)
    yield Contender(
        HUEY,
        (python, "on_huey.py"),
        (str(programs / "huey_consumer"), "on_huey.huey", "-w", "8", "-k", "thread", "-q"),
        7,
    )
    work: tuple[str, ...] = (str(programs / "dramatiq"), "on_dramatiq", "-p", "1", "-t", "8")
    yield Contender(DRAMATIQ, (python, "on_dramatiq.py"), work, 8)
    fill = (python, "on_procrastinate.py")
    for name, database, variant in (
        (PROCRASTINATE, 9, "default"),
        (PROCRASTINATE_RECIPE, 10, "recipe"),
    ):
        work = (*fill, "worker")
        yield Contender(name, fill, work, database, jobs=3_000, variant=variant)
