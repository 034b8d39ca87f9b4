"""A load of one kind of request, by a process of its own: python -m bench.reads.open_loop < ORDER.

In the open loop requests leave at their appointed times, whether those before are answered or not;
at a rate of 0 it is a closed loop. The order and the tally that is printed are JSON.
"""

import asyncio
import json
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from typing import cast
from uuid import uuid4

import uvloop
from bench.reads.statements import webhook_body

DRAIN_SECONDS = 15.0
_TICK_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Order:
    """What to do: `reads` are paths with a token each, asked in turn; without any, webhooks are posted.

    `rate` is per second. At most `connections` are open: a request that finds none free is not
    sent, and counts as "unsent". In the closed loop each connection asks again once answered.
    """

    port: int
    seconds: float
    rate: float
    connections: int
    reads: list[tuple[str, str]]
    webhook_secret: str


@dataclass
class Tally:
    """What came of it, by status: how many, and the times in ms from the appointed moments.

    Besides statuses there are "unsent", "broken" for connections that were cut, and "unanswered".
    """

    counts: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)

    def note(self, status: str, seconds: float) -> None:
        """One answer."""
        self.counts[status] += 1
        self.times.setdefault(status, []).append(round(seconds * 1_000, 2))


class Load:
    """The load of one order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.tally = Tally()
        self.free: deque[Connection] = deque()
        self.open = 0
        self.pending = 0
        self._loop = asyncio.get_running_loop()
        self._requests = _requests(order)
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._began = perf_counter()

    @property
    def over(self) -> bool:
        """Whether no request is to leave any more."""
        return perf_counter() >= self._began + self.order.seconds

    async def run(self) -> Tally:
        """Send all there is to send, and wait a while for the last answers."""
        sent = 0
        while not self.over:
            if self.order.rate == 0:
                while (
                    not self.over and self.open < self.order.connections and await self._connect()
                ):
                    self.send(perf_counter())
            while sent < (perf_counter() - self._began) * self.order.rate:
                if not self.free and self.open < self.order.connections:
                    await self._connect()
                self.send(self._began + sent / self.order.rate)
                sent += 1
            await asyncio.sleep(_TICK_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), DRAIN_SECONDS)
        self.tally.counts["unanswered"] += self.pending
        return self.tally

    def send(self, due: float) -> None:
        """Send the next request, which was due at this moment."""
        if not self.free:
            # In the closed loop nothing is due without a connection.
            self.tally.counts["unsent"] += 1 if self.order.rate else 0
            return
        self.pending += 1
        self._quiet.clear()
        self.free.popleft().send(next(self._requests), due)

    def answered(self, status: str, due: float) -> None:
        """A request was answered, or never will be."""
        self.pending -= 1
        self.tally.note(status, perf_counter() - due)
        if self.pending == 0:
            self._quiet.set()
        if self.order.rate == 0 and not self.over:
            self.send(perf_counter())

    async def _connect(self) -> bool:
        """Open one more connection; whether that came about."""
        try:
            await self._loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self.order.port
            )
        except OSError:
            self.tally.counts["not connected"] += 1
            return False
        return True


class Connection(asyncio.Protocol):
    """One connection, kept alive; one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        # Not one by its class, as uvloop makes it.
        self._transport = cast(asyncio.Transport, transport)
        self._load.open += 1
        self._load.free.append(self)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at this moment of `perf_counter`."""
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """A part of an answer came."""
        self._buffer += data
        length = length_of_response(self._buffer)
        if length is None or self._due is None:
            return
        status, due = self._buffer[9:12].decode(), self._due
        head, _, _ = bytes(self._buffer).lower().partition(b"\r\n\r\n")
        del self._buffer[:length]
        self._due = None
        if b"\r\nconnection: close" in head and self._transport is not None:
            self._transport.close()
        else:
            self._load.free.append(self)
        self._load.answered(status, due)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up."""
        self._load.open -= 1
        if self in self._load.free:
            self._load.free.remove(self)
        if self._due is not None:
            self._load.answered("broken", self._due)


def length_of_response(received: bytearray) -> int | None:
    """The length of the response that `received` begins with; None as long as a part is missing."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if found:
        length = end + 4 + int(rest.partition(b"\r\n")[0])
        return length if len(received) >= length else None
    last = received.find(b"0\r\n\r\n", end + 2)
    return None if last < 0 else last + 5


def _requests(order: Order) -> Iterator[bytes]:
    if order.reads:
        yield from cycle(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            for path, token in order.reads
        )
    while True:
        body = webhook_body(str(uuid4()))
        yield (
            "POST /api/webhooks/vapi HTTP/1.1\r\nHost: localhost\r\n"
            f"X-Vapi-Secret: {order.webhook_secret}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


async def _main(order: Order) -> Tally:
    return await Load(order).run()


if __name__ == "__main__":
    print(json.dumps(vars(uvloop.run(_main(Order(**json.load(sys.stdin)))))))
