"""One connection to Redis on which commands of many callers are under way at once.

Redis answers in the order it was asked. So the oldest command that waits owns the next reply, a
caller that left keeps its place, and a reply that does not come makes the connection useless: all
who wait get an error, and whether their commands were run is not known.
"""

import asyncio
from collections import deque
from typing import Any, cast

import hiredis
from redis import exceptions as redis_errors

from clozone.infra.redis_address import RedisAddress

_NOTHING = object()
_REPLY_ERRORS: dict[str, type[redis_errors.RedisError]] = {
    "LOADING": redis_errors.BusyLoadingError,
    "NOSCRIPT": redis_errors.NoScriptError,
}

# A packed command, who waits for its reply, and until when, in the event loop's time.
_Command = tuple[bytes, asyncio.Future[Any], float]


def pack(command: tuple[str | bytes | int | float, ...]) -> bytes:
    """The bytes that ask Redis for this command."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type] # its stub means tuple[X]
    return packed


class RedisLink(asyncio.Protocol):
    """A connection, from its opening until it is lost; it is not opened again.

    `timeout_seconds` bounds each command, the opening included; `most_waiting` how many may wait
    for a reply at once.
    """

    def __init__(self, address: RedisAddress, timeout_seconds: float, most_waiting: int) -> None:
        self.lost = False
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._most_waiting = most_waiting
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            protocolError=redis_errors.ConnectionError,
            replyError=_reply_error,
            notEnoughData=_NOTHING,
        )
        self._transport: asyncio.Transport | None = None
        self._greeted = False
        self._unsent: list[_Command] = []
        self._sent: deque[_Command] = deque()
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._opening = self._loop.create_task(self._open())

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """Send a command with all others of this turn of the event loop; its reply.

        Raises ConnectionError when too many wait already. The future raises what `lose` says, or
        ResponseError for a reply that is an error.
        """
        if len(self._sent) + len(self._unsent) >= self._most_waiting:
            raise redis_errors.ConnectionError(
                f"busy: {self._most_waiting} commands wait for Redis"
            )
        reply = self._loop.create_future()
        deadline = self._loop.time() + self._timeout_seconds
        self._unsent.append((packed, reply, deadline))
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._look_for_overdue)
        if self._greeted and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return reply

    def lose(self, kind: type[redis_errors.RedisError], reason: str) -> None:
        """Give the connection up; everybody who waits gets an error of this kind."""
        if self.lost:
            return
        self.lost = True
        self._opening.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        waiting = [*self._sent, *self._unsent]
        self._sent.clear()
        self._unsent.clear()
        for _, reply, _ in waiting:
            if not reply.done():
                reply.set_exception(kind(reason))

    # ---- What the event loop calls --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there; nothing has been sent yet."""
        self._transport = cast(asyncio.Transport, transport)
        if self.lost:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are complete."""
        reader, sent = self._reader, self._sent
        try:
            reader.feed(data)
            while (value := reader.gets()) is not _NOTHING:
                _, reply, _ = sent.popleft()
                if reply.done():
                    continue
                if isinstance(value, Exception):
                    reply.set_exception(value)
                else:
                    reply.set_result(value)
        except IndexError:
            self.lose(redis_errors.ConnectionError, "Redis sent a reply that nobody waited for")
        except redis_errors.ConnectionError as error:
            self.lose(redis_errors.ConnectionError, f"what came is not the Redis protocol: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self.lose(
            redis_errors.ConnectionError, f"the connection to Redis was lost: {exc or 'closed'}"
        )

    # ---- Opening, sending, timing out -----------------------------------------------------------

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._address.connect(lambda: self)
                for command in self._address.greeting:
                    await self._greet(command)
        except redis_errors.TimeoutError as error:
            self.lose(redis_errors.TimeoutError, str(error))
        except TimeoutError:
            self.lose(redis_errors.TimeoutError, "Redis did not take a connection in time")
        except redis_errors.ResponseError as error:
            self.lose(redis_errors.AuthenticationError, f"Redis refused the connection: {error}")
        except redis_errors.RedisError as error:
            self.lose(redis_errors.ConnectionError, str(error))
        except OSError as error:
            self.lose(redis_errors.ConnectionError, f"Redis cannot be reached: {error}")
        else:
            self._greeted = True
            self._flush()

    async def _greet(self, command: tuple[str, ...]) -> None:
        assert self._transport is not None  # noqa: S101 - connecting has succeeded
        packed, reply = pack(command), self._loop.create_future()
        self._sent.append((packed, reply, self._loop.time() + self._timeout_seconds))
        self._transport.write(packed)
        await reply

    def _flush(self) -> None:
        self._flushing = False
        # Who left before the command was sent does not need it any more.
        commands = [command for command in self._unsent if not command[1].done()]
        self._unsent.clear()
        if self._transport is None or not commands:
            return
        self._sent.extend(commands)
        self._transport.write(b"".join([packed for packed, _, _ in commands]))

    def _look_for_overdue(self) -> None:
        """One timer for all: it looks at the oldest command, and comes back when that is due."""
        self._timer = None
        oldest = self._sent or self._unsent
        if not oldest:
            return
        deadline = oldest[0][2]
        if deadline <= self._loop.time():
            self.lose(
                redis_errors.TimeoutError, f"no reply from Redis within {self._timeout_seconds} s"
            )
        else:
            self._timer = self._loop.call_at(deadline, self._look_for_overdue)


def _reply_error(text: str) -> redis_errors.RedisError:
    return _REPLY_ERRORS.get(text.partition(" ")[0], redis_errors.ResponseError)(text)
