"""Bodies of foreign answers: cut, refused, broken off; the limits hold whatever is sent."""

import threading
from collections.abc import Iterator

import pytest
from outbound_probe import DRIPS, at, client, streamed
from tests.support.foreign_server import ForeignServer, Script, answer

from clozone.infra.outbound import OutboundFailed, OutboundRefused


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> Script:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return lambda _: iter([head + body + end])


@pytest.mark.parametrize(
    "script",
    [answer("200 OK", body=b"x" * 11), chunked(b"x" * 6, b"x" * 5)],
    ids=["announced", "chunked"],
)
def test_more_than_the_limit_is_cut_or_refused(server: ForeignServer, script: Script):
    server.script = script
    came = client().request("GET", at(server), max_bytes=10)
    assert (came.body, came.truncated) == (b"x" * 10, True)
    with pytest.raises(OutboundRefused, match="over 10 bytes"):
        streamed(client(), at(server), max_bytes=10)
    assert streamed(client(), at(server), max_bytes=11) == (200, b"x" * 11)


BROKEN = {
    "short": answer("200 OK", body=b"short", length=50),
    "cut": chunked(b"short", end=b"ff\r\nshort"),
    "no-chunk": chunked(b"short", end=b"not a length\r\n"),
    "long-chunk": chunked(b"short", end=b"1" * 100_000),
    "negative-chunk": chunked(b"short", end=b"-5\r\nshort\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_body_is_retryable_and_never_taken_for_whole(server: ForeignServer, kind: str):
    server.script = BROKEN[kind]
    with pytest.raises(OutboundFailed) as failure:
        streamed(client(), at(server))
    assert failure.value.code == "connection"


@pytest.mark.parametrize("kind", BROKEN)
def test_a_request_has_its_answer_with_the_status_whatever_the_body_does(
    server: ForeignServer, kind: str
):
    server.script = BROKEN[kind]
    came = client().request("POST", at(server), body=b"x")
    assert (came.status, came.body[:5], came.truncated) == (200, b"short", True)


@pytest.mark.parametrize(
    "script",
    [
        lambda _: iter([b"garbage\r\n\r\n"]),
        lambda _: iter([b""]),
        lambda _: iter([b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 1_000 + b"\r\n"]),
        lambda _: iter([b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000]),
    ],
    ids=["garbage", "nothing", "headers", "header"],
)
def test_an_answer_without_a_readable_head_is_retryable(server: ForeignServer, script: Script):
    server.script = script
    for ask in (
        lambda: client().request("GET", at(server)),
        lambda: streamed(client(), at(server)),
    ):
        with pytest.raises(OutboundFailed) as failure:
            ask()
        assert failure.value.code == "connection"


class Flood:
    """A chunk announced as `size`, then MEBIBYTES of it; `sent` of them were taken."""

    MEBIBYTES = 64

    def __init__(self, size: bytes) -> None:
        self._size = size
        self.sent = 0

    def __call__(self, _: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + self._size + b"\r\n"
        while self.sent < self.MEBIBYTES:
            yield b"x" * 1_048_576
            self.sent += 1


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-40000000", b"40000000", b"f" * 60])
def test_no_chunk_is_larger_than_the_limit(server: ForeignServer, size: bytes):
    server.script = flood = Flood(size)
    came = client().request("POST", at(server), body=b"x", max_bytes=1_000)
    assert (came.status, came.truncated) == (200, True)
    assert len(came.body) <= 1_000
    with pytest.raises((OutboundRefused, OutboundFailed)):
        streamed(client(), at(server), max_bytes=1_000)
    assert flood.sent < Flood.MEBIBYTES


def test_what_has_come_is_handed_on_before_the_rest(server: ForeignServer):
    asked_for_more = threading.Event()

    def script(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield b"bb8\r\n" + b"y" * 1_000
        asked_for_more.wait(10)
        yield b"y" * 2_000 + b"\r\n0\r\n\r\n"

    server.script = script
    with client().stream(at(server), max_bytes=10_000, timeout=5) as stream:
        first = next(stream.chunks)
        asked_for_more.set()
        rest = b"".join(stream.chunks)
    assert len(first) <= 1_000
    assert first + rest == b"y" * 3_000


def test_compression_is_not_asked_for_and_not_undone(server: ForeignServer):
    server.script = answer("200 OK", "Content-Encoding: gzip", body=b"not even gzip")
    assert client().request("GET", at(server)).body == b"not even gzip"
    assert b"Accept-Encoding: identity" in server.requests[0]
    with pytest.raises(OutboundRefused, match="encoded"):
        streamed(client(), at(server))


def test_an_encoded_page_of_an_error_is_no_refusal(server: ForeignServer):
    server.script = answer("503 Busy", "Content-Encoding: gzip", body=b"not even gzip" * 10)
    with client().stream(at(server), max_bytes=10) as stream:
        assert stream.status == 503


@pytest.mark.parametrize("drip", ["status", "headers", "continues"])
def test_a_head_that_trickles_in_has_an_end(server: ForeignServer, drip: str):
    server.script = DRIPS[drip]
    with pytest.raises(OutboundFailed) as failure:
        client().request("GET", at(server), timeout=0.4)
    assert failure.value.code == "timeout"


@pytest.mark.parametrize("drip", ["body", "chunks"])
def test_a_request_does_not_wait_for_a_body_that_trickles_in(server: ForeignServer, drip: str):
    server.script = DRIPS[drip]
    came = client().request("GET", at(server), timeout=0.4)
    assert (came.status, came.truncated) == (200, True)


@pytest.mark.parametrize("drip", DRIPS)
def test_a_stream_that_trickles_in_has_an_end(server: ForeignServer, drip: str):
    server.script = DRIPS[drip]
    with pytest.raises(OutboundFailed) as failure:
        streamed(client(), at(server), timeout=0.4)
    assert failure.value.code == "timeout"
