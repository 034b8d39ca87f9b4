"""A worker is killed in the middle of its jobs and started again at once: what becomes of them.

The jobs sleep more than they compute, so the contenders run beside one another.
"""

import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.queue import contenders as named
from bench.queue.children import kill
from bench.queue.contenders import Contender, ours
from bench.queue.figures import Figure, alone, beside, print_table
from bench.queue.stage import Stage

JOBS = 100
KILL_AFTER = 40
IN_FLIGHT = 8
BOUND_SECONDS = 90.0
TARGET_SECONDS = 10.0
APART_SECONDS = 3.0
HEADS = (
    *("worker killed", "kills", "interrupted", "completed", "lost or stuck"),
    *("finished twice", "resumed", "resumed after, s"),
)
RESUMED = "worker killed: all its jobs run again"
JUDGED = (
    named.BULLMQ,
    named.BULLMQ_TUNED,
    named.CELERY_QUICK,
    named.PROCRASTINATE_RECIPE,
    named.HUEY,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a kill led to. Seconds are from the restart, until the last interrupted job ran again."""

    contender: str
    interrupted: int
    completed: int
    finished_twice: int
    resumed: int
    seconds: float | None

    @property
    def lost(self) -> int:
        """Jobs without their row within the time."""
        return JOBS - self.completed


def measure(stage: Stage, rivals: list[Contender], rounds: int, _scale: float) -> Iterator[Figure]:
    """One kill of each contender a round."""
    field = [
        ours(named.CLOZONE, turn=1, threads=IN_FLIGHT),
        *(rival for rival in rivals if rival.name in JUDGED),
    ]
    outcomes: defaultdict[str, list[Outcome]] = defaultdict(list)
    for number in range(rounds):
        for outcome in _round(stage, field, number):
            outcomes[outcome.contender].append(outcome)
    print_table(HEADS, [_row(name, outcomes[name]) for name in (each.name for each in field)])
    yield from _figures(outcomes)


def _round(stage: Stage, field: list[Contender], number: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    threads = []
    turn = number % len(field)
    for contender in [*field[turn:], *field[:turn]]:

        def judge(contender: Contender = contender) -> None:
            outcomes.append(_outcome(stage.another(), contender, number))

        threads.append(threading.Thread(target=judge))
        threads[-1].start()
        time.sleep(APART_SECONDS)
    for thread in threads:
        thread.join()
    return outcomes


def _outcome(stage: Stage, contender: Contender, number: int) -> Outcome:
    run = f"kill-{contender.name}-{number}"
    stage.clear(contender)
    stage.fill(contender, run, "slow", 0, JOBS)
    others = [stage.start_scheduler(contender, run)] if contender.is_ours else []
    worker = stage.start_worker(contender, run)
    try:
        _await_full_flight(stage, run)
        killed = kill(worker)
        done = {i for i, _ in stage.finished(run)}
        interrupted = {i for i, at in stage.begun(run) if at <= killed} - done
        worker = stage.start_worker(contender, run)
        restarted = time.time()
        stage.await_rows(run, JOBS, BOUND_SECONDS)
        # Whoever would do something twice does it soon.
        time.sleep(2)
    finally:
        for process in (worker, *others):
            kill(process)
    times = Counter(i for i, _ in stage.finished(run))
    again: dict[int, float] = {}
    for i, at in stage.begun(run):
        if i in interrupted and at > killed:
            again.setdefault(i, at - restarted)
    whole = len(again) == len(interrupted)
    return Outcome(
        contender.name,
        interrupted=len(interrupted),
        completed=len(times),
        finished_twice=sum(count > 1 for count in times.values()),
        resumed=len(again),
        seconds=max(again.values()) if again and whole else None,
    )


def _await_full_flight(stage: Stage, run: str) -> None:
    stage.await_rows(run, KILL_AFTER, BOUND_SECONDS)
    deadline = time.monotonic() + BOUND_SECONDS
    full = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        flying = len(stage.begun(run)) - stage.rows(run).rows
        # Not all contenders ever have as many in flight as they have threads.
        if flying >= (IN_FLIGHT if time.monotonic() < full else IN_FLIGHT // 2):
            break
        time.sleep(0.005)
    # Into the middle of them.
    time.sleep(0.12)


def _row(name: str, outcomes: list[Outcome]) -> tuple[object, ...]:
    def middle(values: list[int]) -> str:
        return f"{statistics.median(values):g}"

    seconds = [outcome.seconds for outcome in outcomes if outcome.seconds is not None]
    never = len(seconds) < len(outcomes)
    after = f"{statistics.median(seconds):.1f}" if seconds else f"not in {BOUND_SECONDS:.0f}"
    return (
        name,
        len(outcomes),
        middle([outcome.interrupted for outcome in outcomes]),
        middle([outcome.completed for outcome in outcomes]),
        middle([outcome.lost for outcome in outcomes]),
        middle([outcome.finished_twice for outcome in outcomes]),
        middle([outcome.resumed for outcome in outcomes]),
        f"{after} ({len(seconds)} of {len(outcomes)})" if seconds and never else after,
    )


def _figures(outcomes: dict[str, list[Outcome]]) -> Iterator[Figure]:
    mine = outcomes[named.CLOZONE]
    harm = sum(outcome.lost + outcome.finished_twice for outcome in mine)
    name = "worker killed: jobs lost or done twice, all kills together"
    none = alone(name, [harm], "jobs", "0", lambda jobs: jobs == 0)
    yield replace(none, rounds=len(mine))
    waits = [outcome.seconds or BOUND_SECONDS for outcome in mine]
    soon = alone(
        f"{RESUMED} after, longest of all kills",
        [max(waits)],
        "s",
        f"at most {TARGET_SECONDS:g} s",
        lambda seconds: seconds <= TARGET_SECONDS,
    )
    yield replace(soon, rounds=len(mine))
    for name, theirs in outcomes.items():
        seconds = [outcome.seconds for outcome in theirs if outcome.seconds is not None]
        if name != named.CLOZONE and len(seconds) == len(waits):
            yield beside(f"{RESUMED}, beside {name}", waits, seconds, "s")
