"""Reading the body of a foreign answer: never more than was asked for, never past the deadline."""

import http.client
from collections.abc import Iterator

from urllib3 import BaseHTTPResponse

from clozone.infra.outbound_errors import OutboundFailed, OutboundRefused, explained

CHUNK_BYTES = 65_536

# Other answers' bodies are pages that explain; nobody takes them for what was asked for.
_WITH_CONTENT = (200, 206)
# More of them are no length of anything, and Python reads no number of thousands.
_MOST_DIGITS = 18


class StrictResponse(http.client.HTTPResponse):
    """Takes a chunk of a negative length for the broken answer that it is.

    `http.client` would read all that the server sends, in one piece.
    """

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("a chunk of negative length")
        return size


def beginning(url: str, response: BaseHTTPResponse, max_bytes: int) -> tuple[bytes, bool]:
    """The first `max_bytes` of the body, and whether it went on, or broke off."""
    content = bytearray()
    try:
        for piece in _pieces(url, response):
            content += piece
            if len(content) > max_bytes:
                return bytes(content[:max_bytes]), True
    except OutboundFailed:
        return bytes(content), True
    return bytes(content), False


def whole(url: str, response: BaseHTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """The body, piece by piece as it comes.

    Refuses at once, of a 200 or 206, an encoded body and one announced as larger than `max_bytes`;
    and whatever turns out to be larger when it comes. Raises OutboundFailed when it breaks off.
    """
    too_large = OutboundRefused("too_large", f"the body is over {max_bytes} bytes")
    if response.status in _WITH_CONTENT:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise OutboundRefused(
                "encoded", "the server sent an encoded body that nobody asked for"
            )
        length = content_length(response.headers.get("content-length", ""))
        if length is not None and length > max_bytes:
            raise too_large

    def pieces() -> Iterator[bytes]:
        left = max_bytes
        for piece in _pieces(url, response):
            left -= len(piece)
            if left < 0:
                raise too_large
            yield piece

    return pieces()


def content_length(text: str) -> int | None:
    """The length that a header tells, bytes; None when it is none."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _pieces(url: str, response: BaseHTTPResponse) -> Iterator[bytes]:
    # One reading of the socket each: `read` would wait until so many bytes are there, and `stream`
    # reads a chunk's length without a limit on the line it is in.
    with explained(url):
        while piece := response.read1(CHUNK_BYTES, decode_content=False):
            yield piece
