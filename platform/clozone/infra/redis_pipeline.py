"""A Redis client for the hot path: one connection, and one write for all who ask at once.

redis-py lends each command a connection and waits on it with a timer of its own. Here the commands
that requests issue in one turn of the event loop leave in one write, and one read brings their
replies; what Redis and the kernel do per command falls with the load instead of rising.
"""

import asyncio
from typing import Any

from redis import exceptions as redis_errors

from clozone.infra.redis_address import RedisAddress
from clozone.infra.redis_link import RedisLink, pack

MOST_WAITING = 10_000


class PipelinedRedis:
    """A client of one event loop. Made anywhere; connects at its first command.

    Blocking commands, transactions and subscriptions do not belong on it: they would hold up, or
    mix with, the commands of others.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float, most_waiting: int = MOST_WAITING
    ) -> None:
        """`url` as for redis-py. `timeout_seconds` bounds each command, connecting included."""
        self._address = RedisAddress.from_url(url)
        self._timeout_seconds = timeout_seconds
        self._most_waiting = most_waiting
        self._link: RedisLink | None = None
        self._closed = False

    def execute(self, *command: str | bytes | int | float) -> "asyncio.Future[Any]":
        """Send a command; to be awaited for its reply, as redis-py gives it undecoded: bytes, int,
        list or None. It is sent whether or not somebody awaits it.

        Raises, or the future does, of redis.exceptions: ResponseError for a reply that is an error (NoScriptError and
        BusyLoadingError where they fit), TimeoutError and ConnectionError when no reply came; then
        the command may have been run all the same. It is never sent twice; the next command
        connects anew.
        """
        return self._open_link().send(pack(command))

    async def close(self) -> None:
        """Close the connection; who still waits gets ConnectionError, as does any later command."""
        self._closed = True
        if self._link is not None:
            self._link.lose(redis_errors.ConnectionError, "the client was closed")
            self._link = None
            await asyncio.sleep(0)  # the transport says good-bye in the next turn

    def _open_link(self) -> RedisLink:
        link = self._link
        if link is None or link.lost:
            if self._closed:
                raise redis_errors.ConnectionError("the client was closed")
            link = RedisLink(self._address, self._timeout_seconds, self._most_waiting)
            self._link = link
        return link
