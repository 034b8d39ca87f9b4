"""The moving window, counted exactly: in Redis for all instances, or in memory for one.

A window is a list of the times of the hits that were let in, newest first; those that are older than
the window leave from its end. So a hit costs the same whatever the quota, the count is exact, and
the time until the next place comes free is that until the oldest hit that is in its way leaves.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Coroutine
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from clozone.infra.rate_limit_policy import Policy
from clozone.infra.redis_pipeline import PipelinedRedis

KEY_PREFIX = "clozone:limit"
MOST_KEYS = 10_000

# KEYS: the list. ARGV: quota, window in milliseconds, 1 to count a hit or 0 to look.
# Returns whether there was a place, how many are left, and milliseconds until one comes free.
_SCRIPT = """
local quota, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and now - oldest >= window do
    redis.call('RPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], -1)
end
local count = redis.call('LLEN', KEYS[1])
local allowed = count < quota
if allowed and ARGV[3] == '1' then
    redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[1], window)
    count = count + 1
    oldest = oldest or now
end
if count > quota then
    -- The quota was larger when these came.
    oldest = redis.call('LINDEX', KEYS[1], quota - 1)
end
local wait = 0
if oldest then
    wait = oldest + window - now
end
return {allowed and 1 or 0, math.max(0, quota - count), wait}
"""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Count(NamedTuple):
    """Whether there was a place, how many are left, and seconds until the next comes free."""

    allowed: bool
    remaining: int
    reset_seconds: float


class SharedWindows:
    """Windows in Redis: one atomic step each, however many instances ask at once."""

    def __init__(self, redis: PipelinedRedis) -> None:
        self._redis = redis

    def count(self, policy: Policy, key: str, *, hit: bool) -> Coroutine[Any, Any, Count]:
        """Count a hit if there is a place, or only look: asked now, answered when awaited.

        Raises RedisError, now or then.
        """
        place, window_ms = f"{KEY_PREFIX}:{policy.name}:{key}", policy.window_seconds * 1000
        arguments = (1, place, policy.quota, window_ms, int(hit))
        return self._count(self._redis.execute("EVALSHA", _SHA, *arguments), arguments)

    async def _count(self, asked: "asyncio.Future[Any]", arguments: tuple[str | int, ...]) -> Count:
        try:
            reply = await asked
        except NoScriptError:
            reply = await self._redis.execute("EVAL", _SCRIPT, *arguments)
        allowed, remaining, wait_ms = reply
        return Count(allowed == 1, remaining, wait_ms / 1000)

    async def forget(self, policy: Policy, key: str) -> None:
        """Forget the hits of `key`. Raises RedisError."""
        await self._redis.execute("DEL", f"{KEY_PREFIX}:{policy.name}:{key}")


class LocalWindows:
    """Windows in this process. Of more than MOST_KEYS, those not asked for longest are forgotten."""

    def __init__(self) -> None:
        self._hits: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def count(self, policy: Policy, key: str, *, hit: bool) -> Count:
        """Count a hit if there is a place, or only look."""
        now, hits = time.monotonic(), self._hits.get((policy.name, key))
        if hits is None:
            if not hit:
                return Count(True, policy.quota, 0.0)
            hits = self._hits[policy.name, key] = deque()
            if len(self._hits) > MOST_KEYS:
                self._hits.popitem(last=False)
        self._hits.move_to_end((policy.name, key))
        while hits and now - hits[-1] >= policy.window_seconds:
            hits.pop()
        allowed = len(hits) < policy.quota
        if allowed and hit:
            hits.appendleft(now)
        wait = hits[-1] + policy.window_seconds - now if hits else 0.0
        return Count(allowed, policy.quota - len(hits), wait)

    def forget(self, policy: Policy, key: str) -> None:
        """Forget the hits of `key`."""
        self._hits.pop((policy.name, key), None)
