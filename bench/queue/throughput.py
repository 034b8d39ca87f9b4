"""Durable throughput: a queue full of jobs that each commit one row, worked off by one worker."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import le

from bench.queue import contenders as named
from bench.queue.children import kill, start
from bench.queue.contenders import ROOT, Contender, ours
from bench.queue.figures import Figure, alone, beside
from bench.queue.stage import Stage

RUN_SECONDS = 120.0
FLOOR = "PostgreSQL without a queue"
# Where promised, the target is on the ratio to this rival.
TARGETS = {named.PROCRASTINATE: 3.0, named.CELERY_THREADS: 1.0, named.CELERY_PREFORK: 1.0}


def field(rivals: list[Contender]) -> list[Contender]:
    """Ours in four settings, and the rivals that are meant to be quick."""
    slow = (named.BULLMQ_TUNED, named.CELERY_QUICK, named.PROCRASTINATE_RECIPE)
    return [
        ours(named.CLOZONE, turn=50),
        replace(ours(named.TWO_WORKERS, turn=50), workers=2),
        replace(ours(named.SPREAD, turn=50), fill_words=("1000", "100")),
        replace(ours(named.ALONE, turn=1), jobs=5_000),
        *(rival for rival in rivals if rival.name not in slow),
    ]


def measure(stage: Stage, rivals: list[Contender], rounds: int, scale: float) -> Iterator[Figure]:
    """Every contender once a round, one at a time, in an order that rotates."""
    running = [replace(each, jobs=round(each.jobs * scale)) for each in field(rivals)]
    floor = Contender(FLOOR, (), (), 14, jobs=round(10_000 * scale), folder=ROOT)
    rates: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        turn = number % len(running)
        for contender in [*running[turn:], *running[:turn]]:
            rate = _rate(stage, contender, f"rate-{contender.name}-{number}")
            rates[contender.name].append(rate)
            print(f"{contender.name}: {rate:,.0f} jobs/s", flush=True)
        rates[FLOOR].append(_floor(stage, floor, number))
    yield from _figures(rates)


def _rate(stage: Stage, contender: Contender, run: str) -> float:
    stage.clear(contender)
    stage.fill(contender, run, "insert", 0, contender.jobs, *contender.fill_words)
    processes = [stage.start_worker(contender, run) for _ in range(contender.workers)]
    if contender.is_ours:
        processes.append(stage.start_scheduler(contender, run))
    try:
        rows = stage.await_rows(run, contender.jobs, RUN_SECONDS)
    finally:
        for process in processes:
            kill(process)
    found = stage.rows(run)
    if (found.rows, found.jobs) != (contender.jobs, contender.jobs):
        raise SystemExit(
            f"{contender.name}: {contender.jobs} jobs gave {found.rows} rows of {found.jobs} jobs "
            f"within {RUN_SECONDS:.0f} s. See {run}.log."
        )
    return rows.rate


def _floor(stage: Stage, floor: Contender, number: int) -> float:
    run = f"floor-{number}"
    command = (*named.PYTHON, "bench.queue.floor", str(floor.jobs))
    process = start(command, stage.environment(floor, run), ROOT, stage.log(run))
    process.wait(RUN_SECONDS)
    return stage.rows(run).rate


def _figures(rates: dict[str, list[float]]) -> Iterator[Figure]:
    mine = rates[named.CLOZONE]
    for name, theirs in rates.items():
        figure = f"one-row jobs: {named.CLOZONE} beside {name}"
        if name == named.CLOZONE:
            yield alone("one-row jobs: Clozone, turns of 50", mine, "jobs/s")
        elif name in TARGETS:
            least = TARGETS[name]
            target = f"at least {least:g} x" if least > 1 else "more than 1 x"
            yield beside(figure, mine, theirs, "jobs/s", target, partial(le, least))
        elif name == named.BULLMQ:
            yield beside(figure, mine, theirs, "jobs/s", "aim: 1 x", lambda r: r >= 1)
        else:
            yield beside(figure, mine, theirs, "jobs/s")
