"""The open-loop load, against servers that answer, refuse, hang up and fall silent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from bench.reads import open_loop
from bench.reads.open_loop import Load, Order, Tally, length_of_response

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def test_the_end_of_a_response_is_found_by_its_length() -> None:
    assert length_of_response(bytearray(ANSWER[:-1])) is None
    assert length_of_response(bytearray(ANSWER + b"HTTP/1.1 2")) == len(ANSWER)


def test_the_end_of_a_response_is_found_by_its_last_chunk() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    assert length_of_response(bytearray(chunked[:-1])) is None
    assert length_of_response(bytearray(chunked)) == len(chunked)


def test_no_response_ends_before_its_head() -> None:
    assert length_of_response(bytearray(b"HTTP/1.1 200 OK\r\nContent-Le")) is None


async def test_every_request_is_answered() -> None:
    async with served(answering(ANSWER)) as port:
        tally = await load(port, rate=100)
    assert tally.counts["200"] == sum(tally.counts.values()) > 0
    assert len(tally.times["200"]) == tally.counts["200"]


async def test_the_closed_loop_goes_on_over_new_connections() -> None:
    async with served(answering(LAST_ANSWER)) as port:
        tally = await load(port, rate=0)
    assert tally.counts["200"] == sum(tally.counts.values()) > 3


async def test_a_refusal_counts_by_its_status() -> None:
    async with served(answering(ANSWER.replace(b"200 OK", b"503 No"))) as port:
        tally = await load(port, rate=100)
    assert tally.counts["503"] == sum(tally.counts.values()) > 0


async def test_what_finds_no_connection_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "DRAIN_SECONDS", 0.1)
    async with served(silent) as port:
        tally = await load(port, rate=100)
    assert tally.counts["unanswered"] == 3
    assert tally.counts["unsent"] > 0


async def test_a_server_that_hangs_up_breaks_a_request() -> None:
    async with served(hanging_up) as port:
        tally = await load(port, rate=100)
    assert tally.counts["broken"] > 0
    assert tally.counts["200"] == 0


async def load(port: int, rate: float) -> Tally:
    """A third of a second of webhooks over three connections."""
    return await Load(Order(port, 0.3, rate, 3, [], "a secret")).run()


def answering(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(answer)
            if b"close" in answer:
                writer.close()
                return

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
