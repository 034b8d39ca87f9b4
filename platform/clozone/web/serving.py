"""The life of a web process: it starts, serves, takes its leave and ends."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from hypercorn.config import Config
from loguru import logger
from quart import Quart

from clozone.settings import Settings
from clozone.web.draining import Draining
from clozone.web.server import Server

# nginx keeps an idle connection 3 s; a server that hangs up first resets a request on its way.
KEEP_ALIVE_SECONDS = 75.0
MAX_HEADER_BYTES = 32 * 1024
BACKLOG = 512
# Between failing readiness and refusing connections, for balancers to see one before the other.
DRAIN_NOTICE_SECONDS = 1.0
_READINESS_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a process that is to replace another one waits for, and whom it tells.

    `missing` names what is not there yet; with nothing missing the process begins to listen, beside
    the one it replaces, and calls `announce`.
    """

    missing: Callable[[], Awaitable[list[str]]]
    announce: Callable[[], None]


async def serve_until_signalled(
    app: Quart, settings: Settings, bind: str, takeover: Takeover | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then end without breaking a request.

    A second signal ends at once. What still runs `SHUTDOWN_GRACE_SECONDS` after the signal is cut
    off. Raises OSError when the address cannot be had.
    """
    stop = _stop_on_signals()
    server = Server(app, hypercorn_config(bind))
    await app.startup()
    try:
        if takeover is not None:
            await _await_readiness(takeover, stop)
        if not stop.is_set():
            await server.listen(beside_another=takeover is not None)
            _spare_the_collector()
            logger.bind(bind=bind).info("web ready")
            if takeover is not None:
                takeover.announce()
            await stop.wait()
            await _take_leave(app, server, settings.shutdown_grace_seconds)
    finally:
        await app.shutdown()
    logger.info("stopped")


def hypercorn_config(bind: str) -> Config:
    """How Hypercorn's protocol is to behave."""
    config = Config()
    config.bind = [bind]
    config.backlog = BACKLOG
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.h11_max_incomplete_size = MAX_HEADER_BYTES
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    return config


def _spare_the_collector() -> None:
    """Leave what the start made out of the garbage collector's rounds.

    It stays until the end anyway, and looking through it held up every request for 30 to 50 ms.
    """
    gc.collect()
    gc.freeze()


async def _await_readiness(takeover: Takeover, stop: asyncio.Event) -> None:
    while not stop.is_set() and (missing := await takeover.missing()):
        logger.bind(missing=missing).warning("not ready yet")
        await asyncio.sleep(_READINESS_SECONDS)


async def _take_leave(app: Quart, server: Server, grace_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace_seconds
    draining = cast(Draining, app.extensions["draining"])
    draining.start()
    logger.info("stopping: readiness fails, requests run to their end")
    await asyncio.sleep(min(DRAIN_NOTICE_SECONDS, grace_seconds))
    server.stop_listening()
    draining.leave()
    if not await server.leave(deadline - loop.time()):
        logger.warning("requests were cut off: the grace period is over")
        await server.cut_off()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, ask)
    return stop
