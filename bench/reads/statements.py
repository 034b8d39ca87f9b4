"""How many statements the primary runs for a request, on the five hottest routes."""

import http.client
import json
from collections.abc import Callable, Iterator
from uuid import uuid4

from bench.queue.figures import Figure, alone
from bench.reads import analytics
from bench.reads.asking import ask
from bench.reads.counting import counted
from bench.reads.run import Run
from bench.reads.uncached import UNCACHED

REQUESTS = 50
AT_MOST = 3


def measure(run: Run) -> Iterator[Figure]:
    """Of each route, 50 requests one after the other. What opens a transaction is told apart."""
    stage, size = run.stage, run.main_size
    token = stage.people.manager_of(7)
    with stage.stacks.ours(size) as cached, stage.stacks.ours(size, **UNCACHED) as uncached:
        newest = ask(cached.port, "/api/sessions?limit=1", token)["items"][0]["id"]

        def read(path: str, port: int = cached.port) -> Callable[[], object]:
            return lambda: ask(port, path, token)

        routes = {
            "GET /api/analytics, cached": (read(analytics.OURS), 0),
            "GET /api/analytics/users, cached": (read(analytics.RANKING), 0),
            "GET /api/analytics, cache off": (read(analytics.OURS, uncached.port), AT_MOST),
            "GET /api/analytics/users, cache off": (
                read(analytics.RANKING, uncached.port),
                AT_MOST,
            ),
            "GET /api/sessions": (read("/api/sessions?limit=25"), AT_MOST),
            "GET /api/sessions/{id}": (read(f"/api/sessions/{newest}"), AT_MOST),
            "POST /api/webhooks/vapi": (
                lambda: _deliver(cached.port, stage.webhook_secret),
                AT_MOST,
            ),
        }
        for route, (request, at_most) in routes.items():
            yield from _count(run, route, request, at_most)
    with stage.stores.database(size) as connection:
        connection.execute("TRUNCATE webhook_events, jobs CASCADE")


def _count(run: Run, route: str, request: Callable[[], object], at_most: int) -> Iterator[Figure]:
    request()
    working, opening = [], []
    for number in range(run.rounds):
        with counted(run.stage, run.main_size) as statements:
            for _ in range(REQUESTS):
                request()
        # Rounded: what the process does by itself meanwhile, such as its heartbeat, is no request's.
        working.append(round(statements.working / REQUESTS, 1))
        opening.append(round(statements.opening / REQUESTS, 1))
        told = {"working": working[-1], "opening": opening[-1]}
        run.tell(f"statements: {route}", number, told)
    target = f"at most {at_most}" if at_most else "none"
    yield alone(
        f"statements per request: {route}",
        working,
        "statements",
        target,
        lambda count: count <= at_most,
    )
    yield alone(f"of set_config and alike, besides: {route}", opening, "statements")


def _deliver(port: int, secret: str) -> None:
    """Post one webhook of a call of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        "POST",
        "/api/webhooks/vapi",
        webhook_body(str(uuid4())),
        {"Content-Type": "application/json", "X-Vapi-Secret": secret},
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise SystemExit(f"A webhook was answered with {response.status}: {body[:300]!r}")


def webhook_body(call_id: str) -> bytes:
    """A status update of this call, as Vapi sends it."""
    call = {"id": call_id, "type": "webCall", "cost": 0}
    return json.dumps(
        {"message": {"type": "status-update", "status": "in-progress", "call": call}}
    ).encode()
