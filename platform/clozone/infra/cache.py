"""Analytics answers in Redis, as the bytes that are sent.

Each organisation has a version, a random token. An answer is kept together with the version that
was current before it was computed and is good only while that is still the version. So whoever
changes the figures sets a new version after the commit, and an answer computed from what was there
before can never pass for a fresh one, however late it is stored. A version that Redis lost is never
met again.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import cast
from uuid import UUID

import redis
from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.redis import async_redis, sync_redis
from clozone.settings import Settings

VERSION_SECONDS = 86_400
VERSION_BYTES = 16
ETAG_BYTES = 16
REDIS_TIMEOUT_SECONDS = 0.5
# After a failure Redis is left alone for this long, and every answer is computed.
REDIS_PAUSE_SECONDS = 5.0
# A request that read Redis just before the answer was stored may come to ask for it a moment later.
LINGER_SECONDS = 0.5

_writer: redis.Redis | None = None


def init_cache(settings: Settings) -> None:
    """Set up `forget_analytics` for this process. Connects lazily."""
    global _writer  # noqa: PLW0603 - one client per process, like the connection pool
    _writer = sync_redis(settings.cache_url)


def forget_analytics(org_id: UUID) -> None:
    """Drop the organisation's answers: the next read computes. To be called after the commit.

    While Redis is away nothing is dropped, and an answer it still holds when it comes back may be
    served until its lifetime is over.
    """
    if _writer is None:
        return
    try:
        _writer.set(_version_key(org_id), _new_version(), ex=VERSION_SECONDS)
    except (RedisError, OSError) as error:
        logger.bind(error=type(error).__name__).warning("cached analytics were not dropped")


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, ready to be sent, and the strong ETag of these bytes (with its quotes)."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, body: bytes) -> "Answer":
        """The answer with this body."""
        digest = hashlib.blake2b(body, digest_size=ETAG_BYTES).hexdigest()
        return cls(body, f'"{digest}"')


class AnalyticsCache:
    """The reading side of a web process. Made on its event loop; connects when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._lifetime = settings.analytics_cache_seconds
        self._redis = async_redis(
            settings.cache_url, timeout_seconds=REDIS_TIMEOUT_SECONDS, retries=0
        )
        self._computing: dict[tuple[UUID, str, bytes], asyncio.Task[Answer]] = {}
        self._pause_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def get(self, org_id: UUID, name: str, compute: Callable[[], Awaitable[bytes]]) -> Answer:
        """The answer called `name`: the kept one while it is good, else what `compute` gives.

        Requests of this process that miss the same answer at the same time compute it once.
        While Redis is away each request computes its own.
        """
        try:
            version, kept = await self._read(org_id, name)
        except (RedisError, OSError) as error:
            self._pause(error)
            return Answer.of(await compute())
        if kept is not None:
            return kept
        key = (org_id, name, version)
        task = self._computing.get(key)
        if task is None:
            task = asyncio.create_task(self._fill(org_id, name, version, compute))
            self._computing[key] = task
            task.add_done_callback(partial(self._let_go, key))
        # A client that leaves must not take the answer of the others with it.
        return await asyncio.shield(task)

    def _let_go(self, key: tuple[UUID, str, bytes], task: asyncio.Task[Answer]) -> None:
        """Forget a computation: at once if it failed, else when whoever missed with it was served."""
        if task.cancelled() or task.exception() is not None:
            self._computing.pop(key, None)
        else:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._computing.pop, key, None)

    async def _read(self, org_id: UUID, name: str) -> tuple[bytes, Answer | None]:
        if monotonic() < self._pause_until:
            raise RedisError("left alone for a while")
        version_key, answer_key = _version_key(org_id), _answer_key(org_id, name)
        version, kept = cast(
            "list[bytes | None]", await self._redis.mget([version_key, answer_key])
        )
        if version is None:
            fresh = _new_version()
            await self._redis.set(version_key, fresh, nx=True, ex=VERSION_SECONDS)
            version = cast("bytes | None", await self._redis.get(version_key)) or fresh
        if kept is None or kept[:VERSION_BYTES] != version:
            return version, None
        return version, Answer.of(kept[VERSION_BYTES:])

    async def _fill(
        self, org_id: UUID, name: str, version: bytes, compute: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        body = await compute()
        try:
            await self._redis.set(
                _answer_key(org_id, name), version + body, ex=max(1, self._lifetime)
            )
        except (RedisError, OSError) as error:
            self._pause(error)
        return Answer.of(body)

    def _pause(self, error: Exception) -> None:
        if monotonic() >= self._pause_until:
            logger.bind(error=type(error).__name__).warning(
                "analytics are computed for each request: Redis is away"
            )
            self._pause_until = monotonic() + REDIS_PAUSE_SECONDS


def _version_key(org_id: UUID) -> str:
    # The braces keep an organisation's keys in one slot of a cluster.
    return f"clozone:analytics:{{{org_id}}}:version"


def _answer_key(org_id: UUID, name: str) -> str:
    return f"clozone:analytics:{{{org_id}}}:{name}"


def _new_version() -> bytes:
    return secrets.token_bytes(VERSION_BYTES)
