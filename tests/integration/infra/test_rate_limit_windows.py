"""The windows in Redis, by Redis's own clock."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from clozone.infra.rate_limit_policy import Policy
from clozone.infra.rate_limit_windows import SharedWindows
from clozone.infra.redis import sync_redis
from clozone.infra.redis_pipeline import PipelinedRedis
from clozone.kit.ids import new_id
from clozone.settings import Settings

MINUTE_MS = 60_000


@pytest.fixture
async def windows(settings: Settings) -> AsyncIterator[SharedWindows]:
    redis = PipelinedRedis(settings.redis_url, timeout_seconds=30)
    yield SharedWindows(redis)
    await redis.close()


@pytest.fixture
def key() -> str:
    return f"user:{new_id()}"


@pytest.fixture
def age(settings: Settings, key: str):
    """Makes the hits of the key under the policy `user` older."""
    redis = sync_redis(settings.redis_url)
    place = f"clozone:limit:user:{key}"

    def age(milliseconds: int) -> None:
        older = [int(hit) - milliseconds for hit in redis.lrange(place, 0, -1)]
        redis.delete(place)
        redis.rpush(place, *older)

    return age


def policy(quota: int) -> Policy:
    return Policy("user", quota, 60)


async def test_exactly_the_quota_is_let_in_however_many_ask_at_once(windows, key):
    counts = await asyncio.gather(*(windows.count(policy(20), key, hit=True) for _ in range(50)))
    assert [count.allowed for count in counts] == [True] * 20 + [False] * 30
    assert [count.remaining for count in counts] == [*range(19, -1, -1), *[0] * 30]


async def test_each_place_comes_free_a_window_after_it_was_taken(windows, key, age):
    await windows.count(policy(2), key, hit=True)
    age(50_000)
    second = await windows.count(policy(2), key, hit=True)
    assert second.allowed
    assert 0 < second.reset_seconds <= 10
    refused = await windows.count(policy(2), key, hit=True)
    assert not refused.allowed
    assert 0 < refused.reset_seconds <= 10
    age(10_000)
    third = await windows.count(policy(2), key, hit=True)
    assert third.allowed
    assert third.remaining == 0
    assert not (await windows.count(policy(2), key, hit=True)).allowed


async def test_a_refused_hit_is_not_counted(windows, key, settings):
    for _ in range(5):
        await windows.count(policy(2), key, hit=True)
    assert sync_redis(settings.redis_url).llen(f"clozone:limit:user:{key}") == 2


async def test_looking_counts_nothing(windows, key, settings):
    for _ in range(3):
        assert await windows.count(policy(2), key, hit=False) == (True, 2, 0.0)
    assert not sync_redis(settings.redis_url).exists(f"clozone:limit:user:{key}")


async def test_a_smaller_quota_holds_at_once_and_says_when_it_ends(windows, key, age):
    for _ in range(3):
        await windows.count(policy(5), key, hit=True)
    age(30_000)
    await windows.count(policy(5), key, hit=True)
    # Of the four, three have to leave; the third does in 30 s, the last not for a minute.
    refused = await windows.count(policy(2), key, hit=True)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert 0 < refused.reset_seconds <= 30
    refused = await windows.count(policy(1), key, hit=True)
    assert 30 < refused.reset_seconds <= 60


async def test_what_nobody_asks_for_leaves_redis(windows, key, settings):
    await windows.count(policy(2), key, hit=True)
    left = sync_redis(settings.redis_url).pttl(f"clozone:limit:user:{key}")
    assert 0 < left <= MINUTE_MS
