"""Hypercorn's protocol, with a beginning and an end of our own.

Hypercorn's own `serve` cannot stop behind a proxy without breaking requests. Its first act is to
hang up on every idle connection, onto which the proxy may be writing a request in the same instant;
then it closes the listener with whatever the kernel had accepted but nobody had read. A POST lost
like that may not be repeated, so its sender gets a 502. Here the one who may send is the one who
hangs up: see `Server.leave`.

Connections are accepted here and not by `asyncio.start_server`, which forgets those that it has
accepted in the turn in which it is closed.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any, cast

from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import wrap_app
from loguru import logger
from quart import Quart

from clozone.web.fast_lane import FastLane
from clozone.web.front import Front

# Longer than proxies keep an idle connection to us (nginx: 3 s, in deploy/nginx): within it they
# hang up themselves. A browser that was let in directly is hung up on after that.
IDLE_PATIENCE_SECONDS = 5.0
# Out of file descriptors or memory, until the next try.
_ACCEPT_PAUSE_SECONDS = 1.0


class Server:
    """Serves one application on the addresses of `config.bind`, all on one event loop."""

    def __init__(self, app: Quart, config: Config) -> None:
        self._lane = cast(FastLane, app.extensions["fast_lane"])
        self._app: AppWrapper = wrap_app(app, config.wsgi_max_body_size, "asgi")
        self._config = config
        self._context = WorkerContext(None)
        self._state = cast(ConnectionState, {})
        self._listeners: list[socket.socket] = []
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
            listener.listen(self._config.backlog)
            self._listeners.append(listener)
            self._watch(listener)

    def stop_listening(self) -> None:
        """Refuse further connections; those that were accepted, by the kernel or here, are kept."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
            self._accept(listener)
            listener.close()
        self._listeners.clear()

    async def leave(self, seconds: float) -> bool:
        """Wait until no connection is left, at most `seconds`; whether that came about.

        To be called when answers already say `Connection: close`. Connections in use end with their
        answers. Idle ones are left to the other side, which alone knows whether it is just writing
        a request; one that nobody ends is hung up on after IDLE_PATIENCE_SECONDS.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
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

    def _watch(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Take every connection that waits in the kernel. Each counts from this moment on."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                with suppress(ConnectionAbortedError):
                    connection, _ = listener.accept()
                    connection.setblocking(False)
                    self._keep(loop.create_task(self._serve(connection)))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            # The next turn would fail at once again, and so on without an end.
            logger.bind(error=str(error)).error("no connection can be accepted")
            loop.remove_reader(listener)
            loop.call_later(_ACCEPT_PAUSE_SECONDS, self._watch, listener)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = Front(reader, loop, self._lane)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:
            # It was reset meanwhile.
            connection.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        await _Connection(
            self._app,
            loop,
            self._config,
            self._context,
            self._state,
            reader,
            writer,
            front=protocol,
        )

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._connections.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._connections.discard(task)
        if not self._connections:
            self._unconnected.set()


class _Connection(TCPServer):
    """Hypercorn's side of a connection; `front` is what its bytes come through."""

    def __init__(self, *args: Any, front: Front) -> None:
        super().__init__(*args)
        self._front = front
        self._taken = 0
        self._read_all = False

    async def protocol_send(self, event: Event) -> None:
        idle = isinstance(event, Updated) and event.idle
        if idle and self._read_all:
            # Nothing more will be asked; Hypercorn would wait for it as long as the keep-alive.
            await self._close()
            return
        await super().protocol_send(event)
        if idle:
            # Only HTTP/1.1 is ever idle with nothing of a next request read.
            http = self.protocol.protocol
            if isinstance(http, H11Protocol) and http.connection.trailing_data[0] == b"":
                self._front.released(self._taken)

    async def _read_data(self) -> None:
        # As Hypercorn's, without its timer for each read, which it is not told to use here.
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(MAX_RECV)
            except OSError:
                break
            self._taken += len(data)
            await self.protocol.handle(RawData(data))
        self._read_all = True
        await self.protocol.handle(Closed())
        # The other side hung up. Hypercorn would keep an idle connection half-closed until its
        # keep-alive is over.
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        """Hang up on who asked for nothing for as long as the keep-alive, of the fast lane neither."""
        terminated = self.context.terminated
        while not terminated.is_set():
            seconds = self._front.last_used + self.config.keep_alive_timeout - self.loop.time()
            if seconds <= 0:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(terminated.wait(), seconds)
        await self._front.quiet()
        await asyncio.shield(self._initiate_server_close())
