"""One computation at a time in the whole cluster: a lock in Redis that dies with its holder.

Each instance that wants the lock has to ask for it, again and again; none is told. The lock keeps
work from being done twice and nothing else: if it is lost, the same answer is computed twice.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import cast

from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.redis_pipeline import PipelinedRedis

LOCK_SECONDS = 3.0
RENEWALS_PER_LIFE = 3
# Nothing that is computed may take longer: the statement timeout is shorter.
LONGEST_HELD_SECONDS = 30.0

# KEYS: the lock. ARGV: the token of whoever says it holds it, and a lifetime in milliseconds.
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
"""


class ComputationLock:
    """One try of one process to be the one that computes."""

    def __init__(self, redis: PipelinedRedis, key: str) -> None:
        self._redis = redis
        self._key = key
        self._token = secrets.token_bytes(16)
        self._keeper: asyncio.Task[None] | None = None

    async def acquire(self) -> bool:
        """Take the lock if nobody has it; then it is kept until `release`. Raises RedisError."""
        milliseconds = int(LOCK_SECONDS * 1000)
        reply = await self._redis.execute("SET", self._key, self._token, "NX", "PX", milliseconds)
        if reply is None:
            return False
        self._keeper = asyncio.create_task(self._keep(milliseconds))
        return True

    async def release(self) -> None:
        """Let others have it. If Redis is away, it ends by itself."""
        self.abandon()
        with suppress(RedisError):
            await self._redis.execute("EVAL", _RELEASE, 1, self._key, self._token)

    def abandon(self) -> None:
        """Stop keeping it: the others get it when its time is over."""
        if self._keeper is not None:
            self._keeper.cancel()

    async def _keep(self, milliseconds: int) -> None:
        pause = LOCK_SECONDS / RENEWALS_PER_LIFE
        for _ in range(int(LONGEST_HELD_SECONDS / pause)):
            await asyncio.sleep(pause)
            try:
                renewed = cast(
                    int,
                    await self._redis.execute(
                        "EVAL", _RENEW, 1, self._key, self._token, milliseconds
                    ),
                )
            except RedisError as error:
                logger.bind(error=type(error).__name__).warning("a computation's lock was not kept")
                continue
            if not renewed:
                return
