"""Rate limits: how often a key has hit a policy, counted for all instances together.

A decision is one atomic step in Redis. While Redis is away each process counts for itself, in
memory, from nothing: with N instances a client gets at most N times the quota, and never an error.
Redis is asked again every few seconds.
"""

import time
from collections.abc import Coroutine
from typing import Any

from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.rate_limit_policy import Decision, Policy, policies
from clozone.infra.rate_limit_windows import KEY_PREFIX, Count, LocalWindows, SharedWindows
from clozone.infra.redis_pipeline import PipelinedRedis
from clozone.settings import Settings

REDIS_TIMEOUT_SECONDS = 0.5
REDIS_PAUSE_SECONDS = 5.0

__all__ = ["KEY_PREFIX", "Decision", "Policy", "RateLimiter"]


class RateLimiter:
    """Counts hits by policy and key; `policies` are those of the settings, by name."""

    def __init__(self, settings: Settings) -> None:
        self.policies = policies(settings)
        self._redis = PipelinedRedis(settings.redis_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
        self._shared = SharedWindows(self._redis)
        self._local = LocalWindows()
        self._pause_until = 0.0

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.close()

    async def hit(self, policy: str, key: str) -> Decision:
        """Count one hit of `key`, unless the quota is used up. A refused hit is not counted."""
        return await self.begin_hit(policy, key)

    def begin_hit(self, policy: str, key: str) -> Coroutine[Any, Any, Decision]:
        """The same, on its way to Redis when this returns. Has to be awaited."""
        return self._begin(self.policies[policy], key, hit=True)

    async def peek(self, policy: str, key: str) -> Decision:
        """What a hit would be answered, without counting one."""
        return await self._begin(self.policies[policy], key, hit=False)

    async def reset(self, policy: str, key: str) -> None:
        """Forget the hits of `key`, for instance after a login that succeeded."""
        named = self.policies[policy]
        self._local.forget(named, key)
        if time.monotonic() >= self._pause_until:
            try:
                await self._shared.forget(named, key)
            except RedisError as error:
                self._pause(error)

    def _begin(self, policy: Policy, key: str, *, hit: bool) -> Coroutine[Any, Any, Decision]:
        asked: Coroutine[Any, Any, Count] | None = None
        if time.monotonic() >= self._pause_until:
            try:
                asked = self._shared.count(policy, key, hit=hit)
            except RedisError as error:
                self._pause(error)
        return self._decide(asked, policy, key, hit=hit)

    async def _decide(
        self, asked: Coroutine[Any, Any, Count] | None, policy: Policy, key: str, *, hit: bool
    ) -> Decision:
        if asked is not None:
            try:
                return Decision(policy, *await asked)
            except RedisError as error:
                self._pause(error)
        return Decision(policy, *self._local.count(policy, key, hit=hit))

    def _pause(self, error: RedisError) -> None:
        if time.monotonic() >= self._pause_until:
            self._pause_until = time.monotonic() + REDIS_PAUSE_SECONDS
            logger.bind(error=type(error).__name__).warning(
                "rate limits are counted in this process only: Redis is away"
            )
