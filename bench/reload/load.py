"""A steady load of requests that counts every failure by its kind.

The pace is kept whatever the answers do: a request is due at its time, and waits only for one of
the connections to be free.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.reload.client import Answer, Connection, Failure

LONG_CONNECTIONS = 4
STREAMS = 4
# Before a stream that ended, or a long request after one that failed, is tried again.
RECONNECT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send. `kind` is the word it is counted under."""

    kind: str
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Tally:
    """What came of a load. `failures` counts (kind of request, kind of failure)."""

    seconds: float = 0.0
    sent: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    stream_ends: int = 0
    latest: float = 0.0

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(self.sent.values())

    @property
    def failed(self) -> int:
        """All failures."""
        return sum(self.failures.values())

    def lines(self) -> Iterator[str]:
        """The failures, the commonest first, as lines to read."""
        for (kind, failure), count in self.failures.most_common():
            yield f"{count:6} {kind:8} {failure}"


@dataclass
class Load:
    """`rate` requests a second from `mixture`, a few long ones in a row, and open streams.

    Requests come as browsers and webhooks send them: `burst` at once, over `connections`.

    `mixture` is asked for each request in turn. `long` is asked over and over by LONG_CONNECTIONS
    connections, `stream` is kept open STREAMS times. `accept` tells whether an answer is a success;
    the default takes every 2xx.
    """

    host: str
    port: int
    rate: float
    mixture: Callable[[int], Request]
    long: Request | None = None
    stream: Request | None = None
    connections: int = 24
    burst: int = 8
    accept: Callable[[Answer], bool] = lambda answer: 200 <= answer.status < 300

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tally]:
        """Load as long as the block runs, and then until every request due has its answer."""
        tally = Tally()
        over = asyncio.Event()
        began = time.monotonic()
        ticks = itertools.count()
        tasks = [
            asyncio.create_task(self._paced(tally, over, began, ticks))
            for _ in range(self.connections)
        ]
        if self.long is not None:
            tasks += [
                asyncio.create_task(self._repeated(tally, over, self.long))
                for _ in range(LONG_CONNECTIONS)
            ]
        streams = []
        if self.stream is not None:
            streams = [
                asyncio.create_task(self._streamed(tally, over, self.stream))
                for _ in range(STREAMS)
            ]
        try:
            yield tally
        finally:
            over.set()
            await asyncio.gather(*tasks)
            for task in streams:
                task.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
            tally.seconds = time.monotonic() - began

    async def _paced(
        self, tally: Tally, over: asyncio.Event, began: float, ticks: Iterator[int]
    ) -> None:
        connection = Connection(self.host, self.port)
        while not over.is_set():
            number = next(ticks)
            due = began + number // self.burst * self.burst / self.rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            tally.latest = max(tally.latest, time.monotonic() - due)
            await self._ask(tally, connection, self.mixture(number))
        await connection.close()

    async def _repeated(self, tally: Tally, over: asyncio.Event, request: Request) -> None:
        connection = Connection(self.host, self.port)
        while not over.is_set():
            if not await self._ask(tally, connection, request):
                await asyncio.sleep(RECONNECT_SECONDS)
        await connection.close()

    async def _ask(self, tally: Tally, connection: Connection, request: Request) -> bool:
        tally.sent[request.kind] += 1
        try:
            answer = await connection.ask(
                request.method, request.path, request.headers, request.body
            )
        except Failure as failure:
            tally.failures[request.kind, failure.kind] += 1
            return False
        if not self.accept(answer):
            tally.failures[request.kind, str(answer.status)] += 1
            return False
        return True

    async def _streamed(self, tally: Tally, over: asyncio.Event, request: Request) -> None:
        connection = Connection(self.host, self.port)
        try:
            while not over.is_set():
                tally.sent[request.kind] += 1
                try:
                    async for _ in connection.stream(request.path, request.headers):
                        pass
                    tally.stream_ends += 1
                except Failure as failure:
                    tally.failures[request.kind, failure.kind] += 1
                await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            await connection.close()
