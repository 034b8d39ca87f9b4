"""Enqueueing: in bulk, one by one in a transaction, and a transaction each."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from bench.queue import contenders as named
from bench.queue.contenders import Contender, ours
from bench.queue.figures import Figure, alone, beside
from bench.queue.stage import Stage

LEAST_IN_BULK = 2_000
OURS_IN_BULK = "enqueued in bulk, 1,000 a transaction: Clozone"
OURS_TOGETHER = "enqueued one by one in one transaction: Clozone"
OURS_EACH = "enqueued in a transaction each: Clozone"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to enqueue: how many jobs, and the batch that the contender's program is told."""

    contender: Contender
    jobs: int
    batch: int


def ways(rivals: list[Contender]) -> dict[str, Way]:
    """Every way that is measured, by the name of its figure."""
    clozone = ours(named.CLOZONE, turn=1)
    found = {
        OURS_IN_BULK: Way(clozone, 10_000, 1_000),
        OURS_TOGETHER: Way(clozone, 2_000, 0),
        OURS_EACH: Way(clozone, 2_000, 1),
    }
    for rival in rivals:
        # BullMQ's are in no transaction: they may be there though the rows they are about are not.
        if rival.name in (named.PROCRASTINATE, named.BULLMQ):
            found[f"bulk {rival.name}"] = Way(rival, 10_000, 1_000)
            found[f"each {rival.name}"] = Way(rival, 2_000, 1)
    return found


def measure(stage: Stage, rivals: list[Contender], rounds: int, scale: float) -> Iterator[Figure]:
    """Every way once a round, in an order that rotates."""
    rates: defaultdict[str, list[float]] = defaultdict(list)
    all_ways = [*ways(rivals).items()]
    for number in range(rounds):
        turn = number % len(all_ways)
        for name, way in [*all_ways[turn:], *all_ways[:turn]]:
            jobs = max(round(way.jobs * scale), 1)
            stage.clear(way.contender)
            words = ("insert", 0, jobs, way.batch)
            filled = stage.fill(way.contender, f"{name}-{number}", *words)
            rates[name].append(jobs / filled.seconds)
    yield alone(
        OURS_IN_BULK,
        rates[OURS_IN_BULK],
        "jobs/s",
        f"at least {LEAST_IN_BULK:,}/s",
        lambda rate: rate >= LEAST_IN_BULK,
    )
    for name in (OURS_TOGETHER, OURS_EACH):
        yield alone(name, rates[name], "jobs/s")
    for rival in (named.PROCRASTINATE, named.BULLMQ):
        for way_name, mine in (("bulk", OURS_IN_BULK), ("each", OURS_EACH)):
            if theirs := rates.get(f"{way_name} {rival}"):
                yield beside(f"{mine} beside {rival}", rates[mine], theirs, "jobs/s")
