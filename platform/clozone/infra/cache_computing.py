"""Computing an answer once, however many instances miss it or find it stale at the same time.

In one process they share a task; between processes a lock decides who computes, and the others look
for what that one stores. Whatever comes of it, an answer is only kept under the version that held
before it was computed, so nothing here can make an old answer pass for a fresh one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic, time
from uuid import UUID

from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.cache_answer import Answer
from clozone.infra.cache_lock import ComputationLock
from clozone.infra.cache_store import AnswerStore
from clozone.infra.cache_version import lock_key, position_after
from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.redis_pipeline import PipelinedRedis

# How often an answer that another instance computes is looked for, and for how long at most.
FIRST_LOOK_SECONDS = 0.005
LOOK_EVERY_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 20.0
# Another instance is refreshing: ask no more for so long.
REFRESH_PAUSE_SECONDS = 0.25

Compute = Callable[[int], Awaitable[bytes]]
"""`compute(after)` gives the body, from data that includes the WAL position `after`; 0 for any."""

_Key = tuple[UUID, str, bytes]


class Computations:
    """What one process computes or waits for. `on_failure` hears of each failure of Redis."""

    def __init__(
        self, redis: PipelinedRedis, store: AnswerStore, on_failure: Callable[[RedisError], None]
    ) -> None:
        self._redis = redis
        self._store = store
        self._on_failure = on_failure
        self._missing: dict[_Key, asyncio.Task[Answer]] = {}
        self._refreshing: dict[_Key, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """End what is being computed."""
        tasks = [*self._missing.values(), *self._refreshing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- For those who wait ---------------------------------------------------------------------

    async def join(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> Answer:
        """The answer that is missing, for everybody who misses it now: what one of us computes."""
        key = (org_id, name, version)
        task = self._missing.get(key)
        if task is None:
            task = asyncio.create_task(self._fill(org_id, name, version, compute))
            self._missing[key] = task
            task.add_done_callback(partial(self._let_go, key))
        # A client that leaves must not take the answer of the others with it.
        return await asyncio.shield(task)

    def _let_go(self, key: _Key, task: asyncio.Task[Answer]) -> None:
        del self._missing[key]
        if not task.cancelled():
            task.exception()  # seen, even if all who waited have left

    async def _fill(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> Answer:
        """What another instance stores in the meantime, or what we compute."""
        try:
            found = await self._await_turn(org_id, name, version)
        except RedisError as error:
            self._on_failure(error)
            found = None
        if isinstance(found, Answer):
            return found
        if found is None:
            return Answer.of(await compute(UNKNOWN_POSITION))
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
                return kept[1]
            if current == version:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LOOK_EVERY_SECONDS)
            version = current
        return None

    # ---- For those who come later ---------------------------------------------------------------

    def refresh(self, org_id: UUID, name: str, version: bytes, compute: Compute) -> None:
        """Have the answer computed anew in the background, unless that is under way somewhere."""
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
            if current == version and (kept is None or kept[0] < time()):
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
            self._on_failure(error)
            return Answer.of(body)
