"""Where a Redis is and how to greet it, out of a URL read by redis-py."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import ConnectionPool


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """An address, and the commands that have to succeed before any other is sent."""

    host: str
    port: int
    path: str | None
    tls: ssl.SSLContext | None
    greeting: tuple[tuple[str, ...], ...]

    @classmethod
    def from_url(cls, url: str) -> "RedisAddress":
        """The address in `redis://`, `rediss://` or `unix://`. Raises ValueError for any other."""
        # A connection that is never opened: redis-py reads the URL and its options alike everywhere.
        pool: Any = ConnectionPool.from_url(url)
        parsed = pool.make_connection()
        greeting: list[tuple[str, ...]] = []
        if parsed.username or parsed.password:
            names = (parsed.username,) if parsed.username else ()
            greeting.append(("AUTH", *names, parsed.password or ""))
        if parsed.db:
            greeting.append(("SELECT", str(parsed.db)))
        tls = getattr(parsed, "ssl_context", None)
        return cls(
            host=getattr(parsed, "host", ""),
            port=getattr(parsed, "port", 0),
            path=getattr(parsed, "path", None),
            tls=tls.get() if tls else None,
            greeting=tuple(greeting),
        )

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Open a connection that `protocol` gets. Raises OSError when nobody answers there."""
        loop = asyncio.get_running_loop()
        if self.path is not None:
            await loop.create_unix_connection(protocol, self.path)
            return
        transport, _ = await loop.create_connection(protocol, self.host, self.port, ssl=self.tls)
        link: socket.socket = transport.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
