"""The fast lane and Hypercorn share connections, and nobody can tell who answered but by speed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from quart import Quart, request

from clozone.kit.errors import Unavailable
from clozone.settings import Settings
from clozone.web.admission import Kind
from clozone.web.draining import Draining
from clozone.web.fast_lane import FastLane, LaneAnswer
from clozone.web.install import install_web
from clozone.web.request_head import RequestHead
from clozone.web.server import Server
from clozone.web.serving import hypercorn_config

Response = tuple[int, dict[str, str], bytes]

LANE = b"GET /api/fast?x=1 HTTP/1.1\r\nHost: h\r\nX-Request-ID: %b\r\n\r\n"
SLOW = b"GET /api/slow HTTP/1.1\r\nHost: h\r\n\r\n"
LARGE = 32 * 1024 * 1024


@dataclass
class Site:
    """A server on the loopback whose /api/fast is on the fast lane, and on Quart when declined."""

    port: int
    lane: FastLane
    server: Server
    draining: Draining
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[bytes] = field(default_factory=list)

    async def connect(self) -> "Connection":
        return Connection(*await asyncio.open_connection("127.0.0.1", self.port))


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response(self) -> Response:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head[:-4].split("\r\n")
        fields = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        body = await self.reader.readexactly(int(fields["content-length"]))
        return int(status.split()[1]), fields, body

    async def ask(self, data: bytes) -> Response:
        self.send(data)
        return await self.response()

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def served(keep_alive: float = 75.0, **settings: int) -> AsyncIterator[Site]:
    app = Quart("lane")
    install_web(app, Settings(**settings), lambda *_: None)  # type: ignore[arg-type, return-value]
    lane: FastLane = app.extensions["fast_lane"]

    async def fast(head: RequestHead) -> LaneAnswer | None:
        site.seen.append(head.query)
        if b"x-hold" in head.headers:
            await site.go_on.wait()
        if b"x-fail" in head.headers:
            raise RuntimeError("the lane has a fault")
        if b"x-busy" in head.headers:
            raise Unavailable("Everybody is busy.", headers={"Retry-After": "7"})
        if b"x-decline" in head.headers:
            return None
        body = b"lane" if b"x-large" not in head.headers else b"x" * LARGE
        return LaneAnswer(200, {}, body, "org")

    async def quart() -> bytes:
        if "X-Wait" in request.headers:
            await site.go_on.wait()
        return b"quart " + await request.get_data(as_text=False)

    lane.add("/api/fast", fast)
    for path in ("/api/fast", "/api/slow", "/api/webhooks/x", "/api/health/live"):
        app.add_url_rule(path, path, quart, methods=["GET", "POST"])
    config = hypercorn_config("127.0.0.1:0")
    config.keep_alive_timeout = keep_alive
    server = Server(app, config)
    await app.startup()
    await server.listen()
    port = server._listeners[0].getsockname()[1]
    site = Site(port, lane, server, app.extensions["draining"])
    try:
        yield site
    finally:
        site.go_on.set()
        server.stop_listening()
        await server.cut_off()
        await app.shutdown()


def lane(number: int = 1, *fields: str) -> bytes:
    request = LANE % (b"request-%03d" % number)
    return request[:-2] + "".join(f"{line}\r\n" for line in fields).encode() + b"\r\n"


async def test_both_take_turns_on_one_connection() -> None:
    async with served() as site:
        connection = await site.connect()
        for number in range(20):
            status, fields, body = await connection.ask(lane(number))
            assert (status, body) == (200, b"lane")
            assert fields["x-request-id"] == f"request-{number:03}"
            assert fields["x-clozone-instance"] == "local"
            assert (await connection.ask(SLOW))[2] == b"quart "
        assert site.seen == [b"x=1"] * 20
        connection.close()


@pytest.mark.parametrize("marker", ["X-Decline: 1", "Origin: http://o", "Range: a"])
async def test_what_it_declines_reaches_quart_unchanged(marker: str) -> None:
    async with served() as site:
        connection = await site.connect()
        for number in range(3):
            status, fields, body = await connection.ask(lane(number, marker))
            assert (status, body) == (200, b"quart ")
            assert fields["x-request-id"] == f"request-{number:03}"
            assert (await connection.ask(lane(number)))[2] == b"lane"
        connection.close()


async def test_what_fails_is_explained_and_not_tried_again() -> None:
    async with served() as site:
        connection = await site.connect()
        status, fields, body = await connection.ask(lane(1, "X-Fail: 1"))
        assert (status, fields["content-type"]) == (500, "application/problem+json")
        assert fields["cache-control"] == "no-store"
        document = json.loads(body)
        assert (document["code"], document["status"]) == ("internal_error", 500)
        assert (document["instance"], document["request_id"]) == ("/api/fast", "request-001")
        status, fields, body = await connection.ask(lane(2, "X-Busy: 1"))
        assert (status, fields["retry-after"]) == (503, "7")
        assert json.loads(body)["code"] == "unavailable"
        assert len(site.seen) == 2
        assert (await connection.ask(lane(3)))[2] == b"lane"
        assert set(site.lane.admission.running.values()) == {0}
        connection.close()


async def test_requests_sent_at_once_are_answered_in_their_order() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(lane(1) + SLOW + lane(2))
        answers = [(await connection.response())[2] for _ in range(3)]
        assert [answer.split()[0] for answer in answers] == [b"quart", b"quart", b"quart"]
        assert (await connection.ask(lane(3)))[2] == b"lane"
        connection.close()


async def test_what_comes_while_it_answers_waits_for_its_turn() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(lane(1, "X-Hold: 1"))
        await until(lambda: len(site.seen) == 1)
        connection.send(SLOW)
        await asyncio.sleep(0.05)
        connection.send(lane(2))
        await asyncio.sleep(0.05)
        site.go_on.set()
        answers = [(await connection.response())[2] for _ in range(3)]
        assert answers == [b"lane", b"quart ", b"quart "]
        assert (await connection.ask(lane(3)))[2] == b"lane"
        connection.close()


async def test_a_flood_meanwhile_is_held_back_and_answered() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(lane(0, "X-Hold: 1"))
        await until(lambda: len(site.seen) == 1)
        for number in range(1, 501):
            connection.send(lane(number, "X-Padding: " + 300 * "x"))
        await asyncio.sleep(0.2)
        site.go_on.set()
        for number in range(501):
            assert (await connection.response())[1]["x-request-id"] == f"request-{number:03}"
        connection.close()


async def test_the_body_of_another_request_is_never_taken_for_one() -> None:
    async with served() as site:
        connection = await site.connect()
        inner = lane(1)
        connection.send(
            b"POST /api/slow HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(inner)
        )
        await asyncio.sleep(0.05)
        connection.send(inner)
        assert (await connection.response())[2] == b"quart " + inner
        assert not site.seen
        # The same in one turn of the event loop, before Hypercorn has read the head.
        head = b"POST /api/slow HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(inner)
        for part in (head, inner):
            connection.send(part)
        assert (await connection.response())[2] == b"quart " + inner
        assert not site.seen
        assert (await connection.ask(lane(2)))[2] == b"lane"
        connection.close()


async def test_half_a_head_belongs_to_hypercorn_until_it_is_whole() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(b"GET /api/slow HTTP/1.1\r\nHost: h\r\nX-A: ")
        await asyncio.sleep(0.05)
        connection.send(b"GET /api/fast HTTP/1.1\r\nHost: h\r\n\r\n")
        # As one head this has two Host fields, which is not allowed; as two it would be an answer.
        assert (await connection.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400")
        assert not site.seen
        connection.close()


async def test_a_request_in_pieces_is_answered() -> None:
    async with served() as site:
        connection = await site.connect()
        for byte in lane(1):
            connection.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await connection.response())[0] == 200
        connection.close()


async def test_who_has_nothing_more_to_say_still_gets_the_answer() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(lane(1, "X-Hold: 1"))
        connection.writer.write_eof()
        await until(lambda: len(site.seen) == 1)
        await asyncio.sleep(0.05)
        site.go_on.set()
        assert (await connection.response())[2] == b"lane"
        assert await connection.reader.read() == b""
        connection.close()


@pytest.mark.parametrize("marker", ["X-Hold: 1", "X-Hold: 1\r\nX-Decline: 1"])
async def test_who_leaves_meanwhile_disturbs_nobody(marker: str) -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(lane(1, marker))
        await until(lambda: len(site.seen) == 1)
        connection.writer.transport.abort()
        await asyncio.sleep(0.05)
        site.go_on.set()
        await until(lambda: not site.server._connections)
        other = await site.connect()
        assert (await other.ask(lane(2)))[2] == b"lane"
        other.close()


async def test_who_reads_slowly_gets_everything() -> None:
    async with served() as site:
        connection = await site.connect()
        for number in range(4):
            connection.send(lane(number, "X-Large: 1"))
            await asyncio.sleep(0.1)
        connection.send(SLOW)
        sizes = [len((await connection.response())[2]) for _ in range(5)]
        assert sizes[0] == LARGE
        # While the first lay there unread, the others went to Hypercorn, which waits for the reader.
        assert sizes[1:] == [len(b"quart ")] * 4
        connection.close()


async def test_a_connection_that_only_it_uses_is_kept_and_then_closed() -> None:
    async with served(keep_alive=1) as site:
        connection = await site.connect()
        for number in range(4):
            assert (await connection.ask(lane(number)))[2] == b"lane"
            await asyncio.sleep(0.5)
        assert await connection.reader.read() == b""
        connection.close()


async def test_it_declines_on_the_way_out() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(lane(1, "X-Hold: 1"))
        await until(lambda: len(site.seen) == 1)
        site.server.stop_listening()
        site.draining.leave()
        leaving = asyncio.create_task(site.server.leave(20))
        await asyncio.sleep(0.05)
        site.go_on.set()
        assert (await connection.response())[2] == b"lane"
        _, fields, body = await connection.ask(lane(2))
        assert (fields["connection"], body) == ("close", b"quart ")
        assert await leaving
        connection.close()


async def test_on_the_way_out_a_refusal_is_the_last_answer_too() -> None:
    async with served(web_max_requests=1) as site:
        waiting, connection = await site.connect(), await site.connect()
        waiting.send(lane(1, "X-Hold: 1"))
        await until(lambda: len(site.seen) == 1)
        assert (await connection.ask(SLOW))[0] == 503
        site.server.stop_listening()
        site.draining.leave()
        status, fields, _ = await connection.ask(SLOW)
        assert (status, fields["connection"]) == (503, "close")
        assert await connection.reader.read() == b""
        site.go_on.set()
        assert (await waiting.response())[0] == 200
        waiting.close()
        connection.close()


async def test_a_websocket_is_refused() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(
            b"GET /api/slow HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await connection.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 403")
        connection.close()


async def test_an_answer_being_made_outlasts_the_end_of_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clozone.web.server.IDLE_PATIENCE_SECONDS", 0.2)
    async with served() as site:
        connection = await site.connect()
        connection.send(lane(1, "X-Hold: 1"))
        await until(lambda: len(site.seen) == 1)
        site.server.stop_listening()
        site.draining.leave()
        leaving = asyncio.create_task(site.server.leave(20))
        await asyncio.sleep(0.5)
        assert not leaving.done()
        site.go_on.set()
        assert (await connection.response())[2] == b"lane"
        assert await leaving
        connection.close()


async def test_past_the_share_of_reads_the_answer_is_no_at_once() -> None:
    async with served(web_max_requests=2) as site:
        waiting = [await site.connect() for _ in range(2)]
        waiting[0].send(lane(1, "X-Hold: 1"))
        waiting[1].send(SLOW[:-2] + b"X-Wait: 1\r\n\r\n")
        await until(lambda: site.lane.admission.running[Kind.api] == 2)
        connection = await site.connect()
        post = b"POST /api/slow HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
        for refused in (lane(2), SLOW, post):
            status, fields, body = await connection.ask(refused)
            assert status == 503
            assert fields["retry-after"] == "1"
            assert fields["content-type"] == "application/problem+json"
            assert b'"code":"overloaded"' in body
            assert fields["x-request-id"].encode() in body
        assert site.lane.admission.refused[Kind.api] == 3
        for path in (b"/api/webhooks/x", b"/api/health/live"):
            assert (await connection.ask(SLOW.replace(b"/api/slow", path)))[0] == 200
        site.go_on.set()
        assert [(await each.response())[0] for each in waiting] == [200, 200]
        assert (await connection.ask(lane(3)))[0] == 200
        assert set(site.lane.admission.running.values()) == {0}
        for each in (*waiting, connection):
            each.close()


async def test_the_share_of_webhooks_is_bounded_too() -> None:
    async with served(web_max_webhooks=1) as site:
        hook = SLOW.replace(b"/api/slow", b"/api/webhooks/x")
        waiting, connection = await site.connect(), await site.connect()
        waiting.send(hook[:-2] + b"X-Wait: 1\r\n\r\n")
        await until(lambda: site.lane.admission.running[Kind.webhook] == 1)
        assert (await connection.ask(hook))[0] == 503
        assert (await connection.ask(SLOW))[0] == 200
        site.go_on.set()
        assert (await waiting.response())[0] == 200
        waiting.close()
        connection.close()


async def test_a_connection_ends_with_its_last_answer() -> None:
    async with served() as site:
        connection = await site.connect()
        connection.send(SLOW)
        connection.writer.write_eof()
        assert (await connection.response())[2] == b"quart "
        await until(lambda: not site.server._connections)
        connection.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what changes has no event
            await asyncio.sleep(0.005)
