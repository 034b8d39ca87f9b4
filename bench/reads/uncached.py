"""Analytics without a cache, one process each: the rival as its guide writes it, and in one statement."""

from collections.abc import Iterator

from bench.queue.figures import Figure, beside
from bench.reads import analytics
from bench.reads.run import Case, Run

FORMS = {"aggregated in JS, as the guide": "&nocache=1", "aggregated in SQL": "&nocache=1&agg=sql"}
AT_LEAST = 50
UNCACHED = {"ANALYTICS_CACHE_SECONDS": "0"}


def measure(run: Run) -> Iterator[Figure]:
    """Requests/s, p50 and p99 with 32 connections."""
    size = run.main_size
    with run.stage.stacks.ours(size, **UNCACHED) as ours, run.stage.stacks.rival(size) as rival:
        cases = {"Clozone": Case(ours, analytics.ours(run))}
        for form, options in FORMS.items():
            cases[f"rival, {form}"] = Case(rival, analytics.theirs(run, options))
        loads = run.take_turns(f"uncached, {size} sessions", cases)
    mine = loads["Clozone"]
    for form in FORMS:
        theirs = loads[f"rival, {form}"]
        name = f"analytics uncached, {size} sessions, beside the rival {form}"
        yield beside(
            name,
            [load.rate for load in mine],
            [load.rate for load in theirs],
            "requests/s",
            # So it was promised; with fewer sessions the rival has less to do.
            f"at least {AT_LEAST} x" if size == "1m" else None,
            (lambda ratio: ratio >= AT_LEAST) if size == "1m" else None,
        )
        for what in ("p50_ms", "p99_ms"):
            yield beside(
                f"{name}: {what.removesuffix('_ms')}",
                [getattr(load, what) for load in mine],
                [getattr(load, what) for load in theirs],
                "ms",
            )
