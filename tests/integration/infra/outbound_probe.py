"""Asking servers on the loopback that mean harm."""

import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

from tests.support.foreign_server import ForeignServer, Script, answer

from clozone.infra.outbound import Allowed, Outbound

OK = answer("200 OK", "X-Who: foreign", body=b"hello")


def client(
    resolve=None,
    ca_file: Path | None = None,
    *,
    networks: Sequence[str] = ("127.0.0.0/8",),
    plain_http: bool = True,
) -> Outbound:
    allowed = Allowed("SOME_ALLOWED_NETWORKS", [ip_network(one) for one in networks], plain_http)
    return Outbound(allowed, resolve=resolve, ca_file=str(ca_file) if ca_file else None)


def at(server: ForeignServer, path: str = "/hook?x=1", host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.port}{path}"


def streamed(outbound: Outbound, url: str, **options: object) -> tuple[int, bytes]:
    with outbound.stream(url, **({"max_bytes": 100_000, "max_redirects": 3} | options)) as stream:
        return stream.status, b"".join(stream.chunks)


def dripping(head: bytes, drop: bytes) -> Script:
    def script(_: bytes) -> Iterator[bytes]:
        yield head
        for _ in range(200):
            time.sleep(0.05)
            yield drop

    return script


DRIPS = {
    "status": dripping(b"", b"H"),
    "headers": dripping(b"HTTP/1.1 200 OK\r\n", b"X"),
    "continues": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}
