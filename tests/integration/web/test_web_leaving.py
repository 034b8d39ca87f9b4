"""How a web process leaves the proxy in front of it, connection by connection."""

import asyncio
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
from loguru import logger
from quart import Quart, request

from clozone.settings import Settings
from clozone.web import server as server_module
from clozone.web.draining import Draining
from clozone.web.install import install_web
from clozone.web.server import Server
from clozone.web.serving import hypercorn_config

POST = b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"


@dataclass
class Site:
    """A server on the loopback, and what says that it takes its leave."""

    server: Server
    draining: Draining
    port: int
    go_on: asyncio.Event

    def connect(self) -> socket.socket:
        """A connection that the kernel has accepted; the server has not looked at it yet."""
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setblocking(False)
        return connection

    def take_leave(self) -> "asyncio.Task[bool]":
        self.server.stop_listening()
        self.draining.leave()
        return asyncio.create_task(self.server.leave(20))


@asynccontextmanager
async def served() -> AsyncIterator[Site]:
    go_on = asyncio.Event()
    app = Quart("leaving")
    install_web(app, Settings(), lambda *_: None)  # type: ignore[arg-type, return-value]

    async def echo() -> bytes:
        if "held" in request.args:
            await go_on.wait()
        return bytes(await request.get_data(as_text=False))

    app.add_url_rule("/api/echo", view_func=echo, methods=["POST"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(app, hypercorn_config(f"127.0.0.1:{port}"))
    await app.startup()
    await server.listen()
    try:
        yield Site(server, app.extensions["draining"], port, go_on)
    finally:
        server.stop_listening()
        await server.cut_off()
        await app.shutdown()


@contextmanager
def turns_that_take(seconds: float) -> Iterator[None]:
    """A busy event loop: each of its turns takes so long."""
    loop = asyncio.get_running_loop()
    handle: asyncio.Handle | None = None

    def work() -> None:
        nonlocal handle
        time.sleep(seconds)
        handle = loop.call_soon(work)

    work()
    try:
        yield
    finally:
        if handle:
            handle.cancel()


async def ask(connection: socket.socket, what: bytes = POST) -> str:
    """Send a request and read what comes back, up to its last byte."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, what)
    return await answer(connection)


async def answer(connection: socket.socket) -> str:
    loop = asyncio.get_running_loop()
    received = b""
    while not received.endswith(b"\r\n\r\nhi") and (part := await loop.sock_recv(connection, 4096)):
        received += part
    return received.decode()


async def test_an_idle_connection_is_left_to_the_other_side() -> None:
    async with served() as site:
        connection = site.connect()
        assert "connection: close" not in (await ask(connection)).lower()
        leaving = site.take_leave()
        await asyncio.sleep(0.2)
        assert not leaving.done()
        # What the proxy was just writing is answered, as the last on this connection.
        assert "connection: close" in (await ask(connection)).lower()
        assert await leaving
        assert await asyncio.get_running_loop().sock_recv(connection, 1) == b""
        connection.close()


async def test_it_is_gone_when_the_other_side_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE_PATIENCE_SECONDS", 600)
    async with served() as site:
        connection = site.connect()
        await ask(connection)
        leaving = site.take_leave()
        await asyncio.sleep(0.1)
        connection.close()
        assert await leaving


async def test_what_the_kernel_had_accepted_is_answered() -> None:
    async with served() as site:
        connections = [site.connect() for _ in range(5)]
        for connection in connections:
            connection.send(POST)
        # No turn of the event loop between: the server has not seen them.
        leaving = site.take_leave()
        for connection in connections:
            assert (await answer(connection)).startswith("HTTP/1.1 200")
            connection.close()
        assert await leaving


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("pause", [0.0, 0.1])
async def test_what_the_server_accepted_a_moment_ago_is_answered(turns: int, pause: float) -> None:
    """However many turns of the event loop it has come, and however slow they are."""
    async with served() as site:
        connections = [site.connect() for _ in range(5)]
        for connection in connections:
            connection.send(POST)
        with turns_that_take(pause):
            for _ in range(turns):
                await asyncio.sleep(0)
            leaving = site.take_leave()
            for connection in connections:
                assert (await answer(connection)).startswith("HTTP/1.1 200")
                connection.close()
        assert await leaving


@pytest.mark.parametrize("turns", range(6))
async def test_without_any_grace_nothing_is_overlooked(turns: int) -> None:
    async with served() as site:
        connection = site.connect()
        connection.send(POST.replace(b"/echo", b"/echo?held=1"))
        for _ in range(turns):
            await asyncio.sleep(0)
        site.server.stop_listening()
        site.draining.leave()
        assert not await site.server.leave(0)
        connection.close()


async def test_out_of_descriptors_it_waits_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "_ACCEPT_PAUSE_SECONDS", 0.1)
    said: list[str] = []
    sink = logger.add(said.append, format="{message} {extra[error]}")
    async with served() as site:
        connection = site.connect()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Below what is open already: no further descriptor is to be had.
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            await asyncio.sleep(0.3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            logger.remove(sink)
        assert "Too many open files" in said[0]
        assert (await ask(connection)).startswith("HTTP/1.1 200")
        connection.close()


async def test_further_connections_are_refused() -> None:
    async with served() as site:
        site.take_leave()
        with pytest.raises(ConnectionRefusedError):
            site.connect()


async def test_a_running_request_ends_before_the_server_is_gone() -> None:
    async with served() as site:
        connection = site.connect()
        held = asyncio.create_task(ask(connection, POST.replace(b"/echo", b"/echo?held=1")))
        await asyncio.sleep(0.1)
        leaving = site.take_leave()
        await asyncio.sleep(0.2)
        assert not leaving.done()
        site.go_on.set()
        assert (await held).startswith("HTTP/1.1 200")
        assert await leaving
        connection.close()


async def test_a_connection_that_nobody_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE_PATIENCE_SECONDS", 0.1)
    async with served() as site:
        connection = site.connect()
        await ask(connection)
        assert await site.take_leave()
        assert await asyncio.get_running_loop().sock_recv(connection, 1) == b""
        connection.close()


async def test_what_outlasts_the_grace_is_cut_off() -> None:
    async with served() as site:
        connection = site.connect()
        held = asyncio.create_task(ask(connection, POST.replace(b"/echo", b"/echo?held=1")))
        await asyncio.sleep(0.1)
        site.server.stop_listening()
        site.draining.leave()
        assert not await site.server.leave(0.2)
        await site.server.cut_off()
        assert not (await held).startswith("HTTP/1.1 200")
        connection.close()


async def test_an_address_in_use_is_an_error_unless_it_is_to_be_shared() -> None:
    async with served() as first:
        address = hypercorn_config(f"127.0.0.1:{first.port}")
        app = Quart("second")
        install_web(app, Settings(), lambda *_: None)  # type: ignore[arg-type, return-value]
        second = Server(app, address)
        with pytest.raises(OSError, match="in use"):
            await second.listen()
        await second.listen(beside_another=True)
        second.stop_listening()
