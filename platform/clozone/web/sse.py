"""Server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

from quart import Response, current_app, request

from clozone.web.draining import Draining
from clozone.web.encoding import dumps

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_SECONDS = 15.0  # under the idle timeouts usual in proxies
_KEEP_ALIVE = b": keep-alive\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `data` becomes JSON; a client that reconnects sends back the last `id`."""

    event: str
    data: Any
    id: str | None = None

    def encode(self) -> bytes:
        """The event's lines."""
        lines = [b"event: " + _one_line(self.event)]
        if self.id is not None:
            lines.append(b"id: " + _one_line(self.id))
        lines.append(b"data: " + dumps(self.data))
        return b"\n".join(lines) + b"\n\n"


def event_stream(
    events: AsyncGenerator[Event, None], *, keep_alive_seconds: float = KEEP_ALIVE_SECONDS
) -> Response:
    """A response that sends `events` as they come and a comment whenever nothing came for a while.

    The generator is closed when the client leaves, and when this process takes its leave; the
    client then reconnects to another one. Its units of work have the scope of the request.
    """
    draining = cast(Draining, current_app.extensions["draining"])
    # A HEAD request asks for the headers only, and must not wait for a stream that has no end.
    head = request.method == "HEAD"
    body = b"" if head else _lines(events, draining, keep_alive_seconds)
    response = Response(body, content_type=MEDIA_TYPE)
    response.timeout = None
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


async def _lines(
    events: AsyncGenerator[Event, None], draining: Draining, keep_alive_seconds: float
) -> AsyncIterator[bytes]:
    leave = asyncio.ensure_future(draining.wait())
    upcoming: asyncio.Task[Event | None] | None = None
    async with aclosing(events):
        try:
            while True:
                upcoming = upcoming or asyncio.create_task(_next(events))
                await asyncio.wait(
                    {upcoming, leave},
                    timeout=keep_alive_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if upcoming.done():
                    event, upcoming = upcoming.result(), None
                    if event is None:
                        return
                    yield event.encode()
                elif leave.done():
                    return
                else:
                    yield _KEEP_ALIVE
        finally:
            leave.cancel()
            if upcoming is not None:
                upcoming.cancel()
                with suppress(asyncio.CancelledError):
                    await upcoming


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)


def _one_line(text: str) -> bytes:
    return " ".join(text.split()).encode()
