"""Hypercorn's protocol, with a beginning and an end of our own.

Hypercorn's own `serve` cannot stop behind a proxy without breaking requests. Its first act is to hang
up on every idle connection, onto which the proxy may be writing a request in the same instant; then it
closes the listener with whatever the kernel had accepted but nobody had read. A POST lost like that
may not be repeated, so its sender gets a 502. Here the one who may send is the one who hangs up: see
`Server.leave`.
"""

import asyncio
import socket
from contextlib import suppress
from typing import cast

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import wrap_app
from quart import Quart

# Longer than proxies keep an idle connection to us (nginx: 3 s, in deploy/nginx): within it they hang
# up themselves. A browser that was let in directly is hung up on after that.
IDLE_PATIENCE_SECONDS = 5.0
# What was accepted a moment ago is a connection of ours only some turns of the event loop later.
_SETTLE_SECONDS = 0.05


class Server:
    """Serves one application on the addresses of `config.bind`. Everything runs on one event loop."""

    def __init__(self, app: Quart, config: Config) -> None:
        self._app: AppWrapper = wrap_app(app, config.wsgi_max_body_size, "asgi")
        self._config = config
        self._context = WorkerContext(None)
        self._state = cast(ConnectionState, {})
        self._listeners: list[tuple[socket.socket, asyncio.Server]] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._unconnected = asyncio.Event()

    async def listen(self, *, beside_another: bool = False) -> None:
        """Take requests from now on. Raises OSError when an address cannot be had.

        With `beside_another` the address may be in the hands of another process of this user, which
        is about to leave it to this one: the kernel deals connections out to both.
        """
        if not beside_another:
            for each in self._config.create_sockets().insecure_sockets:
                each.close()
        # More than one worker is what makes Hypercorn share the address.
        self._config.workers = 2
        for listener in self._config.create_sockets().insecure_sockets:
            server = await asyncio.start_server(
                self._serve, sock=listener, backlog=self._config.backlog
            )
            self._listeners.append((listener, server))

    def stop_listening(self) -> None:
        """Refuse further connections, but none that the kernel has already accepted for us."""
        for listener, server in self._listeners:
            arrived = _accepted(listener)
            server.close()
            for connection in arrived:
                self._keep(asyncio.ensure_future(self._adopt(connection)))
        self._listeners.clear()

    async def leave(self, seconds: float) -> bool:
        """Wait until no connection is left, at most `seconds`; whether that came about.

        To be called when answers already say `Connection: close`. Connections in use end with their
        answers. Idle ones are left to the other side, which alone knows whether it is just writing a
        request; one that nobody ends is hung up on after IDLE_PATIENCE_SECONDS.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        await asyncio.sleep(_SETTLE_SECONDS)
        if not await self._all_gone(min(IDLE_PATIENCE_SECONDS, seconds)):
            await self._context.terminated.set()
        return await self._all_gone(deadline - loop.time())

    async def cut_off(self) -> None:
        """End every connection now, whatever it is at."""
        await self._context.terminated.set()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _all_gone(self, seconds: float) -> bool:
        if self._connections:
            self._unconnected.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(seconds, 0)):
                    await self._unconnected.wait()
        return not self._connections

    async def _adopt(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, self._serve, loop=loop)
        # It may have been reset meanwhile.
        with suppress(OSError):
            await loop.connect_accepted_socket(lambda: protocol, connection)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._keep(task)
        await _Connection(self._app, loop, self._config, self._context, self._state, reader, writer)

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._connections.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._connections.discard(task)
        if not self._connections:
            self._unconnected.set()


class _Connection(TCPServer):
    async def _read_data(self) -> None:
        await super()._read_data()
        # The other side hung up. Hypercorn would keep an idle connection half-closed until its
        # keep-alive is over.
        await self.idle_task.stop()


def _accepted(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait in the kernel."""
    arrived = []
    with suppress(OSError):  # no more of them
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            arrived.append(connection)
    return arrived
