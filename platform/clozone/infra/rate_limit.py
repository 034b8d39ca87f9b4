"""Rate limits in Redis, by the `limits` library.

The strategy is the moving window: a hit is one Lua script, so check and count are one atomic step
however many instances ask at once, the count is exact, and the time until the next free place is
true. A read after the hit, which changes nothing, gives the figures for the headers.

While Redis is away each process counts for itself, in memory: with N instances a client gets at
most N times the quota, and never an error. Redis is asked again every few seconds.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, TypeVar

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.util import WindowStats
from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from clozone.infra.redis import async_redis
from clozone.settings import Settings

KEY_PREFIX = "clozone:limit"
REDIS_TIMEOUT_SECONDS = 0.5
REDIS_PAUSE_SECONDS = 5.0
LOGINS_PER_ADDRESS = 5  # times the quota per account: an office shares one address

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """So many hits in such a window, in seconds."""

    name: str
    quota: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a limiter answers. `reset_seconds`: until the next place comes free."""

    policy: Policy
    allowed: bool
    remaining: int
    reset_seconds: float

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds after which a try can succeed, at least 1."""
        return max(1, ceil(self.reset_seconds))

    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers."""
        policy = self.policy
        return {
            "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={policy.window_seconds}',
            "RateLimit": f'"{policy.name}";r={self.remaining};t={max(0, ceil(self.reset_seconds))}',
        }


class RateLimiter:
    """Counts hits by policy and key. Policies: api, credentials, user, strict, login,
    login_address."""

    def __init__(self, settings: Settings) -> None:
        login = parse(settings.rate_limit_login)
        self._items: dict[str, RateLimitItem] = {
            "api": parse(settings.rate_limit_api),
            "credentials": parse(settings.rate_limit_credentials or settings.rate_limit_api),
            "user": parse(settings.rate_limit_user),
            "strict": parse(settings.rate_limit_strict),
            "login": login,
            "login_address": type(login)(login.amount * LOGINS_PER_ADDRESS, login.multiples),
        }
        self.policies: Mapping[str, Policy] = {
            name: Policy(name, item.amount, item.get_expiry()) for name, item in self._items.items()
        }
        self._redis = async_redis(
            settings.redis_url, timeout_seconds=REDIS_TIMEOUT_SECONDS, retries=0
        )
        self._shared = MovingWindowRateLimiter(_storage(settings.redis_url, self._redis))
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._pause_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def hit(self, policy: str, key: str) -> Decision:
        """Count one hit of `key`, unless the quota is used up. A refused hit is not counted."""
        return await self._decide(policy, key, lambda limiter, item: limiter.hit(item, policy, key))

    async def peek(self, policy: str, key: str) -> Decision:
        """What a hit would be answered, without counting one."""
        return await self._decide(
            policy, key, lambda limiter, item: limiter.test(item, policy, key)
        )

    async def reset(self, policy: str, key: str) -> None:
        """Forget the hits of `key`, for instance after a login that succeeded."""
        item = self._items[policy]
        await self._local.clear(item, policy, key)
        await self._try(lambda limiter: limiter.clear(item, policy, key))

    async def _decide(
        self,
        policy: str,
        key: str,
        ask: Callable[[MovingWindowRateLimiter, RateLimitItem], Awaitable[bool]],
    ) -> Decision:
        item = self._items[policy]

        async def steps(limiter: MovingWindowRateLimiter) -> tuple[bool, WindowStats]:
            allowed = await ask(limiter, item)
            return allowed, await limiter.get_window_stats(item, policy, key)

        allowed, stats = await self._try(steps)
        return Decision(
            self.policies[policy],
            allowed,
            max(0, stats.remaining),
            max(0.0, stats.reset_time - time.time()),
        )

    async def _try(self, ask: Callable[[MovingWindowRateLimiter], Awaitable[T]]) -> T:
        """Ask Redis, or memory while Redis is away."""
        if time.monotonic() >= self._pause_until:
            try:
                return await ask(self._shared)
            except (RedisError, OSError) as error:
                self._pause_until = time.monotonic() + REDIS_PAUSE_SECONDS
                logger.bind(error=type(error).__name__).warning(
                    "rate limits are counted in this process only: Redis is away"
                )
        return await ask(self._local)


def _storage(url: str, client: Redis) -> RedisStorage:
    scheme = "async+redis+" if url.startswith("unix:") else "async+"
    pool: Any = client.connection_pool  # an option that the library's types leave out
    return RedisStorage(
        scheme + url, implementation="redispy", key_prefix=KEY_PREFIX, connection_pool=pool
    )
