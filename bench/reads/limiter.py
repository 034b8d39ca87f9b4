"""What the rate limiter costs: the same process with its step and without."""

from collections.abc import Iterator

from bench.queue.figures import Figure, beside
from bench.reads import analytics
from bench.reads.asking import ask
from bench.reads.run import Case, Run
from bench.reads.stacks import Server

ROUTES = {"a cached report": analytics.OURS, "who am I": "/api/auth/me"}
AT_MOST_PERCENT = 15


def measure(run: Run) -> Iterator[Figure]:
    """Requests/s on the two cheapest routes that are limited."""
    size = run.main_size
    with run.stage.stacks.ours(size) as limited, run.stage.stacks.unlimited(size) as unlimited:
        _require_effect(run, limited, unlimited)
        cases = {}
        for route, path in ROUTES.items():
            requests = analytics.ours(run, path)
            cases[f"{route}, limited"] = Case(limited, requests)
            cases[f"{route}, unlimited"] = Case(unlimited, requests)
        loads = run.take_turns("limiter", cases)
    for route in ROUTES:
        yield beside(
            f"requests/s with the rate limiter, beside without: {route}",
            [load.rate for load in loads[f"{route}, limited"]],
            [load.rate for load in loads[f"{route}, unlimited"]],
            "requests/s",
            f"at least {1 - AT_MOST_PERCENT / 100:g} x",
            lambda ratio: ratio >= 1 - AT_MOST_PERCENT / 100,
        )
        yield beside(
            f"processor time per request with the rate limiter, beside without: {route}",
            [load.cpu_us for load in loads[f"{route}, limited"]],
            [load.cpu_us for load in loads[f"{route}, unlimited"]],
            "us",
        )


def _require_effect(run: Run, limited: Server, unlimited: Server) -> None:
    """End the bench unless one of the processes counts and the other does not."""
    for path in ROUTES.values():
        for server in (limited, unlimited):
            run.stage.stores.forget_counts()
            ask(server.port, path, run.stage.people.manager_of(0))
            if run.stage.stores.has_counts() is not (server is limited):
                raise SystemExit(
                    f"The limiter cannot be measured: GET {path} is counted otherwise."
                )
