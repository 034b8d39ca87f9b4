"""Which bytes are a plain read, and that a strict parser reads the same in them."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clozone.web.request_head import read_get

PLAIN = b"GET /api/analytics?period=30d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\n\r\n"


def test_a_plain_read() -> None:
    head = read_get(PLAIN)
    assert head is not None
    assert (head.path, head.query) == (b"/api/analytics", b"period=30d")
    assert head.headers == {b"host": b"x", b"authorization": b"Bearer a"}


def with_field(line: bytes) -> bytes:
    return PLAIN[:-2] + line + b"\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN[:-1],
        PLAIN[:-2],
        PLAIN + b"x",
        PLAIN * 2,
        b"\r\n" + PLAIN,
        PLAIN.replace(b"GET", b"HEAD"),
        PLAIN.replace(b"GET", b"POST"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"Host: x\r\n", b""),
        PLAIN.replace(b"\r\nHost", b"\nHost"),
        PLAIN.replace(b"GET ", b"GET  "),
        PLAIN.replace(b" HTTP", b"  HTTP"),
        PLAIN.replace(b" HTTP", b"\t HTTP"),
        with_field(b"Authorization: Bearer b"),
        with_field(b"authorization: Bearer b"),
        with_field(b"Host: y"),
        with_field(b"Content-Length: 0"),
        with_field(b"Content-Length: 5"),
        with_field(b"Transfer-Encoding: chunked"),
        with_field(b"Expect: 100-continue"),
        with_field(b"Upgrade: h2c\r\nConnection: upgrade"),
        with_field(b"Connection: close"),
        with_field(b"X-Request-ID: one\r\nX-Request-ID: two"),
        with_field(b"X-Broken : value"),
        with_field(b" folded"),
        with_field(b"X-Nul: a\x00b"),
        b"",
        b"GET \r\n\r\n",
    ],
)
def test_anything_else_is_left_to_others(data: bytes) -> None:
    assert read_get(data) is None


NAMES = st.sampled_from(
    [b"Host", b"Accept", b"Authorization", b"Cookie", b"X-A", b"Content-Length", b"Connection"]
)
VALUES = st.binary(max_size=12) | st.sampled_from([b"x", b"close", b"keep-alive", b"0", b"7"])
TARGETS = st.sampled_from(
    [b"/", b"/a?b=c", b"/a?b?c", b"//x", b"/%00", b"*", b"http://h/a", b"/a#b"]
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])


@settings(max_examples=1000)
@given(TARGETS, st.lists(st.tuples(NAMES, VALUES, ENDS), max_size=5), st.booleans())
def test_what_is_read_is_what_hypercorn_would_read(
    target: bytes, fields: list[tuple[bytes, bytes, bytes]], with_host: bool
) -> None:
    host = b"Host: h\r\n" if with_host else b""
    lines = b"".join(name + b": " + value + end for name, value, end in fields)
    data = b"GET " + target + b" HTTP/1.1\r\n" + host + lines + b"\r\n"
    head = read_get(data)
    if head is None:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert request.method == b"GET"
    assert request.target.partition(b"?")[::2] == (head.path, head.query)
    assert dict(request.headers) == head.headers
    assert type(connection.next_event()) is h11.EndOfMessage
    assert connection.trailing_data == (b"", False)
