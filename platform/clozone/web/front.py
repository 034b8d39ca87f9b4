"""What stands between a connection and Hypercorn, and gives the fast lane its turn.

A connection is free when it waits for a request. The bytes that then come are either a plain read
that the fast lane answers right here, or everything goes to Hypercorn, which has the connection
until it says that it waits again. While the fast lane is at work, what comes is kept for afterwards.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from clozone.web.fast_lane import FastLane
from clozone.web.request_head import read_get

# Of what comes while an answer is being made; then the sender is made to wait.
_KEPT_BYTES = 64 * 1024


class Front(asyncio.StreamReaderProtocol):
    """The protocol of one connection."""

    def __init__(
        self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop, lane: FastLane
    ) -> None:
        super().__init__(reader, loop=loop)
        self._loop = loop
        self._reader = reader
        self._lane = lane
        self._wire: asyncio.Transport | None = None
        self._at_hypercorn = False
        self._fed = 0
        self._answering: asyncio.Task[None] | None = None
        self._kept = bytearray()
        self._ended = False
        self._clogged = False
        self.last_used = loop.time()

    # ---- what the event loop calls --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        super().connection_made(transport)
        # uvloop's transports do what asyncio.Transport does without being one.
        self._wire = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        if self._answering is not None:
            self._keep(data)
        elif self._at_hypercorn:
            self._hand_over(data)
        else:
            self._begin(data)

    def eof_received(self) -> bool | None:
        """The other side has nothing more to say; it may still listen."""
        if self._answering is not None:
            self._ended = True
            return True
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._wire = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side reads too slowly; Hypercorn knows how to wait for it."""
        self._clogged = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """The other side has caught up."""
        self._clogged = False
        super().resume_writing()

    # ---- what Hypercorn's side calls ------------------------------------------------------------

    def released(self, taken: int) -> None:
        """Hypercorn waits for a request, having taken in so many bytes and used them all."""
        if taken == self._fed:
            self._at_hypercorn = False
            self.last_used = self._loop.time()

    async def quiet(self) -> None:
        """Return once no answer is being made."""
        if self._answering is not None:
            await asyncio.wait({self._answering})

    # ---- the work -------------------------------------------------------------------------------

    def _begin(self, data: bytes) -> None:
        head = None if self._clogged else read_get(data)
        response = None if head is None else self._lane.respond(head)
        if response is None:
            self._hand_over(data)
        elif isinstance(response, bytes):
            self._write(response)
        else:
            self._answering = self._loop.create_task(self._answer(response, data))

    async def _answer(self, answer: Coroutine[Any, Any, bytes | None], data: bytes) -> None:
        response = await answer
        self._answering = None
        if response is None:
            self._hand_over(data)
        else:
            self._write(response)
        self._go_on()

    def _go_on(self) -> None:
        kept, self._kept = bytes(self._kept), bytearray()
        if self._wire is not None and len(kept) > _KEPT_BYTES:
            self._wire.resume_reading()
        if kept:
            self.data_received(kept)
        if self._ended:
            self._ended = False
            self.eof_received()

    def _keep(self, data: bytes) -> None:
        below = len(self._kept) <= _KEPT_BYTES
        self._kept += data
        if self._wire is not None and below and len(self._kept) > _KEPT_BYTES:
            self._wire.pause_reading()

    def _hand_over(self, data: bytes) -> None:
        if self._wire is None:
            return
        self._at_hypercorn = True
        self._fed += len(data)
        self._reader.feed_data(data)

    def _write(self, response: bytes) -> None:
        self.last_used = self._loop.time()
        if self._wire is not None:
            self._wire.write(response)
