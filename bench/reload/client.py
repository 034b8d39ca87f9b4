"""An HTTP/1.1 connection that tells exactly how a request failed.

An ordinary client library repeats requests or hides why one broke; here every break is counted.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field


class Failure(Exception):
    """A request that got no whole answer. `kind` is one of the words that reports count by."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in lower case, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(slots=True)
class Connection:
    """One connection to `host`:`port`, opened when needed and kept as long as the server lets it.

    A connection that the server closed while it lay idle is replaced without ado, as every client
    does. One that breaks once a request was written on it is a failure, whatever the method.
    """

    host: str
    port: int
    timeout: float = 30.0
    tls: ssl.SSLContext | None = None
    opened: int = 0
    _reader: asyncio.StreamReader | None = field(default=None, repr=False)
    _writer: asyncio.StreamWriter | None = field(default=None, repr=False)

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """The answer to one request. Raises Failure."""
        answer, chunks = await self._begin(method, path, headers or {}, body)
        with _failing_as("broken off"):
            async with _limit(self.timeout):
                whole = b"".join([chunk async for chunk in chunks])
        return Answer(answer.status, answer.headers, whole)

    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[bytes]:
        """The body of GET `path`, piece by piece. Raises Failure, also when it ends half-way."""
        answer, chunks = await self._begin("GET", path, headers or {}, b"")
        if answer.status != 200:
            raise Failure(str(answer.status))
        with _failing_as("broken off"):
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """Close it; the next request opens another."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _begin(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, AsyncIterator[bytes]]:
        reader, writer = await self._open()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        try:
            with _failing_as("no answer"):
                async with _limit(self.timeout):
                    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                    await writer.drain()
                    answer = await _head(reader)
        except Failure:
            await self.close()
            raise
        return answer, self._body(reader, answer)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # What the server has said by now counts: a close that lies waiting is read, not written to.
        await asyncio.sleep(0)
        if self._reader is not None and (self._reader.at_eof() or self._reader.exception()):
            await self.close()
        if self._reader is None or self._writer is None:
            with _failing_as("not connected"):
                async with _limit(self.timeout):
                    self._reader, self._writer = await asyncio.open_connection(
                        self.host, self.port, ssl=self.tls
                    )
            self.opened += 1
        return self._reader, self._writer

    async def _body(self, reader: asyncio.StreamReader, answer: Answer) -> AsyncIterator[bytes]:
        whole = False
        try:
            if answer.headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                    yield await reader.readexactly(size)
                    await reader.readexactly(2)
                await reader.readexactly(2)
            elif length := int(answer.headers.get("content-length", "0")):
                yield await reader.readexactly(length)
            whole = True
        finally:
            if not whole or answer.headers.get("connection", "").lower() == "close":
                await self.close()


async def _head(reader: asyncio.StreamReader) -> Answer:
    status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines if line]
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Answer(int(status_line.split(" ")[1]), headers)


def _limit(seconds: float) -> asyncio.Timeout:
    return asyncio.timeout(seconds)


class _failing_as:  # noqa: N801 -- reads as a word of the language
    """Turns what a broken connection raises into a Failure of the kind `otherwise`."""

    def __init__(self, otherwise: str) -> None:
        self._otherwise = otherwise

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise Failure("timeout") from error
        if isinstance(error, ConnectionResetError | BrokenPipeError):
            raise Failure("reset") from error
        if isinstance(error, ConnectionRefusedError):
            raise Failure("refused") from error
        if isinstance(error, OSError | asyncio.IncompleteReadError | ValueError):
            raise Failure(self._otherwise) from error
