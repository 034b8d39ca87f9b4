"""The application that every contender serves: answers at once, answers late, and a stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

from quart import Quart, Response, current_app, request

from clozone.web.draining import Draining
from clozone.web.sse import Event, event_stream

LONG_SECONDS = 5.0


def make_app() -> Quart:
    """Ordinary Quart. Only its streams end early where the process says that it takes its leave."""
    app = Quart("reload")
    app.add_url_rule("/api/read", view_func=read)
    app.add_url_rule("/api/write", view_func=write, methods=["POST"])
    app.add_url_rule("/api/long", view_func=long, methods=["POST"])
    app.add_url_rule("/api/stream", view_func=stream)
    return app


async def read() -> dict[str, str]:
    """About as much as a page of a list."""
    return {"pad": "x" * 500}


async def write() -> tuple[dict[str, int], int]:
    """About as long as a short transaction."""
    body = await request.get_data(as_text=False)
    await asyncio.sleep(0.005)
    return {"bytes": len(body)}, 201


async def long() -> dict[str, bool]:
    """The longest request that a restart has to wait for."""
    await asyncio.sleep(LONG_SECONDS)
    return {"done": True}


async def stream() -> Response:
    """A line a second for as long as somebody listens."""
    if cast("Draining | None", current_app.extensions.get("draining")):
        return event_stream(_events())
    response = Response(_lines(), content_type="text/event-stream")
    response.timeout = None
    return response


async def _events() -> AsyncGenerator[Event, None]:
    while True:
        yield Event("tick", None)
        await asyncio.sleep(1)


async def _lines() -> AsyncIterator[bytes]:
    async for event in _events():
        yield event.encode()
