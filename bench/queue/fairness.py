"""One organisation has 10,000 jobs waiting; another adds one. How long does that one wait?"""

import time
from collections import defaultdict
from collections.abc import Iterator

from bench.queue import contenders as named
from bench.queue.children import kill
from bench.queue.contenders import Contender, ours
from bench.queue.figures import Figure, alone, beside
from bench.queue.stage import Stage

JOBS = 10_000
# The crowd is well under way when the one comes.
UNDER_WAY = 100
THREADS = 4
OTHER_ORGANISATION = 2
RUN_SECONDS = 180.0


def measure(stage: Stage, rivals: list[Contender], rounds: int, scale: float) -> Iterator[Figure]:
    """Ours, then a queue that is first in, first out. A job takes 10 ms."""
    jobs = round(JOBS * scale)
    late = f"one job behind another organisation's {jobs:,}"
    turns, waits = [], defaultdict(list)
    for number in range(rounds):
        mine = ours(named.CLOZONE, turn=1, threads=THREADS)
        ahead, wait = _wait(stage, mine, f"fair-{number}", jobs)
        turns.append(float(ahead))
        waits[mine.name].append(wait)
        for rival in rivals:
            if rival.name == named.BULLMQ:
                waits[rival.name].append(_wait(stage, rival, f"fifo-{number}", jobs)[1])
    yield alone(
        f"{late}: jobs begun between its commit and its start",
        turns,
        "jobs",
        f"at most {THREADS}, one per thread",
        lambda ahead: ahead <= THREADS,
    )
    yield alone(f"{late}: its wait", waits[named.CLOZONE], "ms")
    if named.BULLMQ in waits:
        theirs = waits[named.BULLMQ]
        yield beside(f"{late}: its wait, beside {named.BULLMQ}", waits[named.CLOZONE], theirs, "ms")


def _wait(stage: Stage, contender: Contender, run: str, jobs: int) -> tuple[int, float]:
    """Jobs that began before the late one though after it was there, and its wait in ms."""
    stage.clear(contender)
    stage.fill(contender, run, "nap", 0, jobs)
    processes = [stage.start_worker(contender, run)]
    if contender.is_ours:
        processes.append(stage.start_scheduler(contender, run))
    try:
        while len(stage.begun(run)) < UNDER_WAY:
            time.sleep(0.01)
        words = (1, 1, OTHER_ORGANISATION) if contender.is_ours else ()
        there = stage.fill(contender, run, "nap", jobs, 1, *words).at
        deadline = time.monotonic() + RUN_SECONDS
        while not (starts := [at for i, at in stage.begun(run) if i == jobs]):
            if time.monotonic() > deadline:
                raise SystemExit(f"{contender.name}: the late job did not begin. See {run}.log.")
            time.sleep(0.1)
    finally:
        for process in processes:
            kill(process)
    ahead = sum(there < at < starts[0] for _, at in stage.begun(run))
    # It may have begun before its sender could look at the clock.
    return ahead, max(starts[0] - there, 0) * 1_000
