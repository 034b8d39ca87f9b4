"""The time of one uncached answer, with ever more sessions in the database."""

from collections.abc import Iterator
from contextlib import ExitStack

from bench.queue.figures import Figure, alone, beside
from bench.reads import analytics
from bench.reads.run import Case, Run
from bench.reads.uncached import FORMS, UNCACHED
from bench.reads.wrk import Load

OURS = {"report": analytics.OURS, "ranking of users": analytics.RANKING}
AT_MOST = 1.2


def measure(run: Run) -> Iterator[Figure]:
    """One connection; the sizes take turns, and the rival's forms between them."""
    with ExitStack() as stack:
        cases = {}
        for size in run.sizes:
            ours = stack.enter_context(run.stage.stacks.ours(size, **UNCACHED))
            for what, path in OURS.items():
                requests = analytics.ours(run, path)
                cases[f"{what}, {size}"] = Case(ours, requests, connections=1)
            rival = stack.enter_context(run.stage.stacks.rival(size))
            for form, options in FORMS.items():
                requests = analytics.theirs(run, options)
                cases[f"rival, {form}, {size}"] = Case(rival, requests, connections=1)
        loads = run.take_turns("growth", cases)
    least, most = run.sizes[0], run.sizes[-1]
    for what in OURS:
        for size in run.sizes:
            yield alone(
                f"uncached p50, {what}, {size} sessions", _p50(loads[f"{what}, {size}"]), "ms"
            )
        if least != most:
            yield beside(
                f"uncached p50, {what}: {most} sessions beside {least}",
                _p50(loads[f"{what}, {most}"]),
                _p50(loads[f"{what}, {least}"]),
                "ms",
                f"at most {AT_MOST} x",
                lambda ratio: ratio <= AT_MOST,
            )
    for form in FORMS:
        for size in run.sizes:
            name = f"uncached p50, rival {form}, {size} sessions"
            yield alone(name, _p50(loads[f"rival, {form}, {size}"]), "ms")


def _p50(loads: list[Load]) -> list[float]:
    return [load.p50_ms for load in loads]
