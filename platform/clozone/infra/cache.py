"""Analytics answers in Redis, as the bytes that are sent.

Each organisation has a version (`cache_version`). An answer is kept together with the version that
was current before it was computed and is good only while that is still the version. So whoever
changes the figures sets a new version after the commit, and an answer computed from what was there
before can never pass for a fresh one, however late it is stored. A version that Redis lost is never
met again.

A good answer is fresh for ANALYTICS_CACHE_SECONDS, a tenth more or less, so that what was computed
together does not expire together. After that it is served still, up to ANALYTICS_CACHE_STALE_SECONDS
after it was computed, while one instance computes it anew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic, time
from uuid import UUID

from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.cache_answer import Answer, unpack
from clozone.infra.cache_lock import ComputationLock
from clozone.infra.cache_store import AnswerStore
from clozone.infra.cache_version import (
    ANYTHING_WRITTEN,
    lock_key,
    position_after,
)
from clozone.infra.cache_writer import VersionWriter
from clozone.infra.redis import sync_redis
from clozone.infra.redis_pipeline import PipelinedRedis
from clozone.settings import Settings

REDIS_TIMEOUT_SECONDS = 0.5
# After a failure Redis is left alone for this long, and every answer is computed.
REDIS_PAUSE_SECONDS = 5.0
# How often an answer that another instance computes is looked for, and for how long at most.
FIRST_LOOK_SECONDS = 0.005
LOOK_EVERY_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 20.0
# Another instance is refreshing: ask no more for so long.
REFRESH_PAUSE_SECONDS = 0.25

Compute = Callable[[int], Awaitable[bytes]]
"""`compute(after)` gives the body, from data that includes the WAL position `after`; 0 for any."""

_writer: VersionWriter | None = None


def init_cache(settings: Settings) -> None:
    """Set up `forget_analytics` for this process. Connects lazily."""
    global _writer  # noqa: PLW0603 - one client per process, like the connection pool
    if _writer is not None:
        _writer.close()
    _writer = VersionWriter(sync_redis(settings.cache_url, timeout_seconds=REDIS_TIMEOUT_SECONDS))


def forget_analytics(org_id: UUID, position: int = 0) -> None:
    """Drop the organisation's answers: the next read computes. To be called after the commit.

    `position` is where the change ends in the write-ahead log; the next answers include it. 0 where
    there is no replica. While Redis is away they are dropped as soon as it is back, if this process
    lives to see it; else an answer that Redis still holds may be served until its lifetime is over.
    """
    if _writer is not None:
        _writer.tell(org_id, position)


class AnalyticsCache:
    """The reading side of a web process. Used on one event loop; connects when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.analytics_cache_seconds > 0
        self._redis = PipelinedRedis(settings.cache_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
        self._store = AnswerStore(
            self._redis, settings.analytics_cache_seconds, settings.analytics_cache_stale_seconds
        )
        self._missing: dict[tuple[UUID, str, bytes], asyncio.Task[Answer]] = {}
        self._refreshing: dict[tuple[UUID, str, bytes], asyncio.Task[None]] = {}
        self._pause_until = 0.0

    async def close(self) -> None:
        """End what is being computed and close the connection."""
        tasks = [*self._missing.values(), *self._refreshing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.close()

    async def get(self, org_id: UUID, name: str, compute: Compute) -> Answer:
        """The answer called `name`: the kept one while it is good, else what `compute` gives.

        `name` says whose figures and which; it stands in Redis as it is. Whoever misses the same
        answer at the same time, in whatever instance, gets one computation's result. With the cache
        off, and while Redis is away, each request computes its own, from the primary.
        """
        if self._on and monotonic() >= self._pause_until:
            try:
                version, kept = await self._store.read(org_id, name)
            except RedisError as error:
                self._pause(error)
            else:
                if kept is None:
                    return await self._miss(org_id, name, version, compute)
                fresh_until, answer = unpack(kept)
                if fresh_until < time():
                    self._refresh(org_id, name, version, compute)
                return answer
        return Answer.of(await compute(ANYTHING_WRITTEN))

    # ---- Computing for those who wait -----------------------------------------------------------

    async def _miss(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> Answer:
        key = (org_id, name, version)
        task = self._missing.get(key)
        if task is None:
            task = asyncio.create_task(self._fill(org_id, name, version, compute))
            self._missing[key] = task
            task.add_done_callback(partial(self._let_go, key))
        # A client that leaves must not take the answer of the others with it.
        return await asyncio.shield(task)

    def _let_go(self, key: tuple[UUID, str, bytes], task: asyncio.Task[Answer]) -> None:
        del self._missing[key]
        if not task.cancelled():
            task.exception()  # seen, even if all who waited have left

    async def _fill(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> Answer:
        """What another instance stores in the meantime, or what we compute."""
        try:
            found = await self._await_turn(org_id, name, version)
        except RedisError as error:
            self._pause(error)
            found = None
        if isinstance(found, Answer):
            return found
        if found is None:
            return Answer.of(await compute(ANYTHING_WRITTEN))
        version, lock = found
        try:
            return await self._compute(org_id, name, version, compute)
        finally:
            await lock.release()

    async def _await_turn(
        self, org_id: UUID, name: str, version: bytes
    ) -> Answer | tuple[bytes, ComputationLock] | None:
        """Look for the answer until it is there or it is our turn to compute it.

        Then the lock is ours, for the version that holds now. None if neither came about in time.
        """
        give_up_at, pause = monotonic() + LONGEST_WAIT_SECONDS, FIRST_LOOK_SECONDS
        while monotonic() < give_up_at:
            lock = ComputationLock(self._redis, lock_key(org_id, name, version))
            ours = await lock.acquire()
            try:
                current, kept = await self._store.read(org_id, name)
            except BaseException:
                lock.abandon()
                raise
            if ours and kept is None and current == version:
                return version, lock
            if ours:
                await lock.release()
            if kept is not None:
                return unpack(kept)[1]
            if current == version:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LOOK_EVERY_SECONDS)
            version = current
        return None

    # ---- Computing for those who come later -----------------------------------------------------

    def _refresh(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> None:
        key = (org_id, name, version)
        if key not in self._refreshing:
            task = asyncio.create_task(self._recompute(org_id, name, version, compute))
            self._refreshing[key] = task
            task.add_done_callback(lambda _: self._refreshing.pop(key))

    async def _recompute(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> None:
        lock = ComputationLock(self._redis, lock_key(org_id, name, version))
        try:
            if not await lock.acquire():
                await asyncio.sleep(REFRESH_PAUSE_SECONDS)
                return
            current, kept = await self._store.read(org_id, name)
            if current == version and (kept is None or unpack(kept)[0] < time()):
                await self._compute(org_id, name, version, compute)
            await lock.release()
        except Exception as error:
            # Nobody waits for it, and the next one may try when the lock has run out.
            logger.bind(error=type(error).__name__).warning("a cached answer was not refreshed")
        finally:
            lock.abandon()

    async def _compute(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> Answer:
        body = await compute(position_after(version))
        try:
            return await self._store.write(org_id, name, version, body)
        except RedisError as error:
            self._pause(error)
            return Answer.of(body)

    def _pause(self, error: Exception) -> None:
        if monotonic() >= self._pause_until:
            logger.bind(error=type(error).__name__).warning(
                "analytics are computed for each request: Redis is away"
            )
            self._pause_until = monotonic() + REDIS_PAUSE_SECONDS
