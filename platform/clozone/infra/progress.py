"""News that a session has changed, through Redis, to whoever watches it.

The message carries the session's id and nothing else: the watcher reads the state itself. So a lost
message costs a delay until the watcher's next look, and several changes at once are one signal.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import redis
from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.postgres import after_commit
from clozone.infra.redis import async_redis, sync_redis
from clozone.settings import Settings

CHANNEL = "clozone:progress"
# A read that lasts this long without news goes on; the client pings a silent connection meanwhile.
READ_SECONDS = 20.0
RECONNECT_SECONDS = 1.0
CANCEL_SECONDS = 0.2


class _Sender:
    """The sending side of this process; says once that Redis is away, and once that it is back."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._away = False

    def send(self, session_id: UUID) -> None:
        try:
            self._client.publish(CHANNEL, session_id.bytes)
        except (RedisError, OSError) as error:
            if not self._away:
                logger.bind(error=type(error).__name__).warning(
                    "progress is not announced: Redis is away"
                )
            self._away = True
        else:
            if self._away:
                logger.info("progress is announced again")
            self._away = False


_sender: _Sender | None = None


def init_progress(settings: Settings) -> None:
    """Set up the sending side of this process. Connects lazily."""
    global _sender  # noqa: PLW0603 - one sender per process, like the connection pool
    _sender = _Sender(sync_redis(settings.redis_url))


def publish(session_id: UUID) -> None:
    """Tell the watchers of a session, in every process, to look again. Never fails."""
    if _sender is not None:
        _sender.send(session_id)


def announce(session_id: UUID) -> None:
    """`publish` once the current unit of work has committed."""
    after_commit(lambda: publish(session_id))


class Watch:
    """One watcher's place in the feed."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def signal(self) -> None:
        """Let the watcher look again. Signals that it has not taken yet are one."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Return at the next signal, or after `seconds` without one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()


class ProgressFeed:
    """The listening side of a web process: one connection to Redis, however many watch."""

    def __init__(self, settings: Settings) -> None:
        # No silent reconnect: news is lost with a connection, and the watchers must learn of it.
        self._redis = async_redis(settings.redis_url, retries=0)
        self._watches: dict[UUID, set[Watch]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen. To be called on the event loop."""
        self._task = asyncio.create_task(self._listen_forever(), name="progress")

    async def close(self) -> None:
        """Stop listening."""
        # More than once: redis-py swallows a cancellation that comes while it connects.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CANCEL_SECONDS)
        await self._redis.aclose()

    @contextmanager
    def watch(self, session_id: UUID) -> Iterator[Watch]:
        """A watch that is signalled at each change of the session, and whenever news may be lost."""
        watch = Watch()
        self._watches[session_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[session_id].discard(watch)
            if not self._watches[session_id]:
                del self._watches[session_id]

    async def _listen_forever(self) -> None:
        away = False
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if not away:
                    logger.bind(error=type(error).__name__).warning(
                        "progress is polled for: Redis is away"
                    )
                away = True
            else:
                away = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        """Pass on what is published. Raises redis errors when the connection is lost."""
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            while True:
                message = await subscription.get_message(timeout=READ_SECONDS)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._signal_all()
                elif message["type"] == "message":
                    self._signal(message["data"])

    def _signal_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.signal()

    def _signal(self, data: bytes) -> None:
        with suppress(ValueError):  # not one of our messages
            for watch in self._watches.get(UUID(bytes=data), ()):
                watch.signal()
