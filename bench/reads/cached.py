"""Cached analytics, requests/s and p99: behind nginx with two processes each, and one alone."""

from collections.abc import Iterator

from bench.queue.figures import Figure, beside
from bench.reads import analytics
from bench.reads.run import Case, Run
from bench.reads.stacks import Pair, Server

NGINX = "behind nginx, two processes"
ALONE = "one process, its own port"
# Two processes are to have enough at hand.
CONNECTIONS = {NGINX: 64, ALONE: 32}


def measure(run: Run) -> Iterator[Figure]:
    """Ours asks who wants to know and counts the request against a limit; the rival only counts."""
    stage, size = run.stage, run.main_size
    with (
        stage.stacks.ours_behind_nginx(size) as ours,
        stage.stacks.rival_behind_nginx(size) as rival,
        stage.stacks.ours(size) as mine,
        stage.stacks.rival(size) as other,
    ):
        analytics.require_agreement(run, mine.port, other.port)
        yield from _beside(run, NGINX, ours, rival, at_least=2.0)
        yield from _beside(run, ALONE, mine, other, at_least=1.0)


def _beside(
    run: Run, where: str, ours: Pair | Server, rival: Pair | Server, at_least: float
) -> Iterator[Figure]:
    requests = analytics.theirs(run)
    connections = CONNECTIONS[where]
    loads = run.take_turns(
        f"cached, {where}",
        {
            "Clozone": Case(ours, analytics.ours(run), connections),
            "rival": Case(
                rival,
                requests,
                connections,
                lambda: analytics.warm(run, run.main_size, [rival.port], requests),
            ),
        },
    )
    mine, theirs = loads["Clozone"], loads["rival"]
    aim = "at least" if where == NGINX else "aim: at least"
    yield beside(
        f"cached analytics, {where}",
        [load.rate for load in mine],
        [load.rate for load in theirs],
        "requests/s",
        f"{aim} {at_least:g} x",
        lambda ratio: ratio >= at_least,
    )
    yield beside(
        f"cached analytics, {where}: p99",
        [load.p99_ms for load in mine],
        [load.p99_ms for load in theirs],
        "ms",
        "less than 1 x" if where == NGINX else None,
        (lambda ratio: ratio < 1) if where == NGINX else None,
    )
    yield beside(
        f"cached analytics, {where}: processor time per request, without nginx",
        [load.cpu_us for load in mine],
        [load.cpu_us for load in theirs],
        "us",
    )
