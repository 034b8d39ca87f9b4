"""A hundred clients miss the same key at once: how often is it computed?"""

import asyncio
import json
from collections.abc import Iterator

from bench.queue.figures import Figure, beside
from bench.reads.asking import ask
from bench.reads.counting import counted
from bench.reads.people import ORGANISATIONS
from bench.reads.run import Run
from bench.reads.stacks import Pair

CLIENTS = 100
TIMEOUT_SECONDS = 60


def measure(run: Run) -> Iterator[Figure]:
    """Through nginx and two processes, every round with another organisation's key."""
    stage, size = run.stage, run.main_size
    ours, theirs = [], []
    with (
        stage.stacks.ours_behind_nginx(size) as mine,
        stage.stacks.rival_behind_nginx(size) as rival,
    ):
        for number in range(run.rounds):
            ours.append(float(_ours(run, mine, number)))
            theirs.append(float(_theirs(run, rival, number)))
            run.tell("stampede", number, {"ours": ours[-1], "rival": theirs[-1]})
    exactly_once = all(count == 1 for count in ours)
    yield beside(
        f"{CLIENTS} concurrent misses on one key, two processes",
        ours,
        theirs,
        "computations",
        "exactly 1",
        lambda _: exactly_once,
    )


def _ours(run: Run, pair: Pair, number: int) -> int:
    stage, size = run.stage, run.main_size
    stage.stores.forget_ours()
    token = stage.people.manager_of(number % len(ORGANISATIONS))
    # What one computation of the same report takes, of another organisation.
    with counted(stage, size) as once:
        ask(pair.port, "/api/analytics?period=7d", stage.people.manager_of((number + 1) % 50))
    with counted(stage, size) as all_of_them:
        asyncio.run(_at_once(pair.port, "/api/analytics?period=7d", token))
    computations, rest = divmod(all_of_them.of_reports, max(once.of_reports, 1))
    if rest or not once.of_reports:
        raise SystemExit(f"Reports cannot be counted: {once.calls}, then {all_of_them.calls}.")
    return computations


def _theirs(run: Run, pair: Pair, number: int) -> int:
    run.stage.stores.forget_theirs(run.main_size)
    before = _queries(pair)
    path = f"/api/analytics?org_id={ORGANISATIONS[number % len(ORGANISATIONS)]}&period=7d"
    asyncio.run(_at_once(pair.port, path, None))
    return _queries(pair) - before


def _queries(pair: Pair) -> int:
    return sum(int(ask(server.port, "/debug")["queries"]) for server in pair.servers)


async def _at_once(port: int, path: str, token: str | None) -> None:
    """Open all connections, then ask on all; every answer must be 200."""
    field = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}Connection: close\r\n\r\n"
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)]
    for _, writer in streams:
        writer.write(head.encode())
    async with asyncio.timeout(TIMEOUT_SECONDS):
        answers = await asyncio.gather(*(reader.read() for reader, _ in streams))
    for _, writer in streams:
        writer.close()
    bad = [answer[:200] for answer in answers if not answer.startswith(b"HTTP/1.1 200")]
    if bad:
        raise SystemExit(
            f"{len(bad)} of {CLIENTS} clients got no answer: {json.dumps(str(bad[0]))}"
        )
