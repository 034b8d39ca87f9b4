"""The cache of two instances on one Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from redis import Redis
from tests.support.processes import free_port

from clozone.infra import cache_lock
from clozone.infra.cache import AnalyticsCache, forget_analytics, init_cache
from clozone.infra.cache_answer import pack, unpack
from clozone.infra.cache_version import VERSION_BYTES, answer_key, version_key
from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.redis import sync_redis
from clozone.kit.ids import new_id
from clozone.settings import Settings

CROWD = 50


class Source:
    """Computes bodies, and notes after which position; may be held up."""

    def __init__(self, body: bytes = b"1") -> None:
        self.body = body
        self.after: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()

    async def __call__(self, after: int) -> bytes:
        self.after.append(after)
        body = self.body
        self.started.set()
        await self.gate.wait()
        return body

    @property
    def times(self) -> int:
        return len(self.after)


@pytest.fixture
async def make_cache(settings: Settings) -> AsyncIterator[Callable[..., AnalyticsCache]]:
    """Makes instances; each closes with the test."""
    init_cache(settings)
    caches: list[AnalyticsCache] = []

    def make(**changes: object) -> AnalyticsCache:
        caches.append(AnalyticsCache(settings.model_copy(update=changes)))
        return caches[-1]

    yield make
    for cache in caches:
        await cache.close()


@pytest.fixture
def cache(make_cache) -> AnalyticsCache:
    return make_cache()


@pytest.fixture
def other(make_cache) -> AnalyticsCache:
    """Another instance."""
    return make_cache()


@pytest.fixture
def org_id() -> UUID:
    return new_id()


async def grow_stale(settings: Settings, org_id: UUID, name: str = "report") -> None:
    """Let the time until which the kept answer is fresh lie behind us."""
    redis = sync_redis(settings.cache_url)
    key, version = answer_key(org_id, name), redis.get(version_key(org_id))
    kept = unpack(redis.get(key))
    assert kept is not None
    redis.set(key, pack(version, 0.0, kept[1].body), keepttl=True)


async def test_an_answer_is_computed_once_and_then_kept(cache, org_id):
    source = Source()
    first = await cache.get(org_id, "report", source)
    second = await cache.get(org_id, "report", source)
    assert source.times == 1
    assert first == second
    assert first.body == b"1"


async def test_names_and_organisations_are_kept_apart(cache, org_id):
    source = Source()
    for org, name in ((org_id, "a"), (org_id, "b"), (new_id(), "a")):
        await cache.get(org, name, source)
    assert source.times == 3


async def test_another_instance_finds_the_answer(cache, other, org_id):
    source = Source()
    await cache.get(org_id, "report", source)
    assert (await other.get(org_id, "report", source)).body == b"1"
    assert source.times == 1


async def test_the_etag_is_that_of_the_bytes(cache, org_id):
    source = Source()
    before = await cache.get(org_id, "report", source)
    forget_analytics(org_id)
    same = await cache.get(org_id, "report", source)
    forget_analytics(org_id)
    source.body = b"2"
    changed = await cache.get(org_id, "report", source)
    assert before.etag == same.etag != changed.etag


# ---- Changes ------------------------------------------------------------------------------------


async def test_after_a_change_the_next_read_computes_in_every_instance(cache, other, org_id):
    source = Source()
    await cache.get(org_id, "report", source)
    source.body = b"2"
    forget_analytics(org_id)
    assert (await other.get(org_id, "report", source)).body == b"2"
    assert (await cache.get(org_id, "report", source)).body == b"2"
    assert source.times == 2


async def test_a_change_leaves_other_organisations_alone(cache, org_id):
    source = Source()
    await cache.get(org_id, "report", source)
    forget_analytics(new_id())
    await cache.get(org_id, "report", source)
    assert source.times == 1


async def test_what_is_computed_includes_the_change(cache, org_id):
    source = Source()
    forget_analytics(org_id, 2**40)
    await cache.get(org_id, "a", source)
    forget_analytics(org_id, 2**40 + 8)
    await cache.get(org_id, "a", source)
    assert source.after == [2**40, 2**40 + 8]


async def test_a_change_that_is_told_late_takes_no_position_back(cache, org_id):
    source = Source()
    forget_analytics(org_id, 2**40)
    forget_analytics(org_id, 2**39)
    await cache.get(org_id, "a", source)
    assert source.after == [2**40]


async def test_without_a_known_version_the_primary_is_asked(cache, org_id):
    source = Source()
    await cache.get(org_id, "a", source)
    # Nor after a change whose position is known: what was lost may be further.
    forget_analytics(org_id, 7)
    await cache.get(org_id, "a", source)
    assert source.after == [UNKNOWN_POSITION] * 2


async def test_an_answer_from_before_a_change_is_not_served_after_it(cache, org_id):
    source = Source()
    source.gate.clear()
    slow = asyncio.create_task(cache.get(org_id, "report", source))
    await source.started.wait()
    source.body = b"2"
    forget_analytics(org_id)
    source.gate.set()
    assert (await slow).body == b"1"
    assert (await cache.get(org_id, "report", source)).body == b"2"


@pytest.mark.parametrize("reader", ["cache", "other"])
async def test_a_read_after_a_change_does_not_join_one_from_before(cache, org_id, reader, request):
    source = Source()
    source.gate.clear()
    slow = asyncio.create_task(cache.get(org_id, "report", source))
    await source.started.wait()
    source.started.clear()
    source.body = b"2"
    forget_analytics(org_id)
    fresh = asyncio.create_task(request.getfixturevalue(reader).get(org_id, "report", source))
    await source.started.wait()
    source.gate.set()
    assert (await fresh).body == b"2"
    await slow


# ---- Misses at the same time --------------------------------------------------------------------


async def test_misses_at_the_same_time_in_two_instances_compute_once(cache, other, org_id):
    source = Source()
    source.gate.clear()
    reads = [
        asyncio.create_task(instance.get(org_id, "report", source))
        for _ in range(CROWD)
        for instance in (cache, other)
    ]
    await source.started.wait()
    await asyncio.sleep(0.1)  # the others look for the answer in the meantime
    source.gate.set()
    assert {answer.body for answer in await asyncio.gather(*reads)} == {b"1"}
    assert source.times == 1


async def test_a_computation_longer_than_a_lock_lives_is_not_done_twice(
    cache, other, org_id, monkeypatch
):
    monkeypatch.setattr(cache_lock, "LOCK_SECONDS", 0.15)
    source = Source()
    source.gate.clear()
    reads = [asyncio.create_task(c.get(org_id, "report", source)) for c in (cache, other)]
    await asyncio.sleep(0.6)
    source.gate.set()
    assert {answer.body for answer in await asyncio.gather(*reads)} == {b"1"}
    assert source.times == 1


async def test_who_dies_while_computing_is_replaced(cache, other, org_id, settings, monkeypatch):
    monkeypatch.setattr(cache_lock, "LOCK_SECONDS", 0.15)
    dying, source = Source(b"never"), Source()
    dying.gate.clear()
    lost = asyncio.create_task(cache.get(org_id, "report", dying))
    await dying.started.wait()
    # All that the others see of a death: nothing comes from there any more.
    await cache._redis.close()
    assert (await other.get(org_id, "report", source)).body == b"1"
    lost.cancel()


async def test_a_failure_is_for_who_waited_there_and_others_try(cache, other, org_id):
    entered = asyncio.Event()
    fails = asyncio.Event()

    async def fail(after: int) -> bytes:
        entered.set()
        await fails.wait()
        raise ZeroDivisionError

    source = Source()
    unlucky = [asyncio.create_task(cache.get(org_id, "report", fail)) for _ in range(2)]
    await entered.wait()
    lucky = asyncio.create_task(other.get(org_id, "report", source))
    await asyncio.sleep(0.05)
    fails.set()
    answers = await asyncio.gather(*unlucky, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ZeroDivisionError] * 2
    assert (await lucky).body == b"1"
    assert (await cache.get(org_id, "report", source)).body == b"1"
    assert source.times == 1


async def test_a_client_that_leaves_does_not_take_the_answer_of_the_others(cache, org_id):
    source = Source()
    source.gate.clear()
    leaves = asyncio.create_task(cache.get(org_id, "report", source))
    await source.started.wait()
    stays = asyncio.create_task(cache.get(org_id, "report", source))
    await asyncio.sleep(0)
    leaves.cancel()
    source.gate.set()
    assert (await stays).body == b"1"
    with pytest.raises(asyncio.CancelledError):
        await leaves
    assert source.times == 1


# ---- Growing old --------------------------------------------------------------------------------


async def test_a_stale_answer_is_served_at_once_while_one_instance_computes(
    cache, other, org_id, settings
):
    source = Source()
    await cache.get(org_id, "report", source)
    await grow_stale(settings, org_id)
    source.body = b"2"
    source.started.clear()
    source.gate.clear()
    for instance in (cache, other, cache, other):
        assert (await instance.get(org_id, "report", source)).body == b"1"
    await source.started.wait()
    assert (await other.get(org_id, "report", source)).body == b"1"
    source.gate.set()
    while (await other.get(org_id, "report", source)).body != b"2":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert source.times == 2


async def test_after_a_change_nothing_stale_is_served(cache, org_id, settings):
    source = Source()
    await cache.get(org_id, "report", source)
    await grow_stale(settings, org_id)
    source.body = b"2"
    forget_analytics(org_id)
    assert (await cache.get(org_id, "report", source)).body == b"2"


async def test_a_refresh_that_fails_leaves_the_stale_answer(cache, org_id, settings):
    failed = asyncio.Event()

    async def fail(after: int) -> bytes:
        failed.set()
        raise ZeroDivisionError

    await cache.get(org_id, "report", Source())
    await grow_stale(settings, org_id)
    assert (await cache.get(org_id, "report", fail)).body == b"1"
    await failed.wait()
    assert (await cache.get(org_id, "report", fail)).body == b"1"


async def test_answers_are_kept_until_they_are_too_stale(cache, org_id, settings):
    await cache.get(org_id, "report", Source())
    left = sync_redis(settings.cache_url).ttl(f"clozone:analytics:{{{org_id}}}:report")
    assert settings.analytics_cache_seconds * 1.1 < left <= settings.analytics_cache_stale_seconds


async def test_without_staleness_answers_go_when_they_are_no_longer_fresh(
    make_cache, org_id, settings
):
    cache = make_cache(analytics_cache_stale_seconds=0)
    redis, lifetimes = sync_redis(settings.cache_url), set()
    for name in map(str, range(20)):
        await cache.get(org_id, name, Source())
        lifetimes.add(redis.pttl(f"clozone:analytics:{{{org_id}}}:{name}") // 1000)
    fresh = settings.analytics_cache_seconds
    assert all(fresh * 0.9 - 2 <= lifetime <= fresh * 1.1 for lifetime in lifetimes)
    assert len(lifetimes) > 1  # what was computed together does not end together


# ---- Without it ---------------------------------------------------------------------------------


async def test_switched_off_every_request_computes_from_the_primary(make_cache, org_id):
    cache, source = make_cache(analytics_cache_seconds=0), Source()
    source.gate.clear()
    reads = [asyncio.create_task(cache.get(org_id, "report", source)) for _ in range(3)]
    await source.started.wait()
    source.gate.set()
    await asyncio.gather(*reads)
    assert source.after == [UNKNOWN_POSITION] * 3


async def test_a_redis_that_lost_everything_serves_nothing_old(cache, org_id, settings):
    source = Source()
    await cache.get(org_id, "report", source)
    sync_redis(settings.cache_url).flushdb()
    source.body = b"2"
    assert (await cache.get(org_id, "report", source)).body == b"2"


async def test_a_lost_version_is_not_met_again(cache, org_id, settings):
    source = Source()
    await cache.get(org_id, "report", source)
    sync_redis(settings.cache_url).delete(f"clozone:analytics:{{{org_id}}}:version")
    source.body = b"2"
    assert (await cache.get(org_id, "report", source)).body == b"2"


async def test_without_redis_every_read_computes(make_cache, org_id, settings):
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    cache, source = make_cache(redis_cache_url=nowhere), Source()
    init_cache(settings.model_copy(update={"redis_cache_url": nowhere}))
    await cache.get(org_id, "report", source)
    forget_analytics(org_id)
    source.body = b"2"
    assert (await cache.get(org_id, "report", source)).body == b"2"
    assert source.after == [UNKNOWN_POSITION] * 2
    init_cache(settings)


async def test_what_is_kept_is_found_while_its_version_holds(cache, other, org_id):
    assert await cache.find(org_id, "report") is None
    answer = await cache.get(org_id, "report", Source())
    for instance in (cache, other, cache, other):
        assert await instance.find(org_id, "report") == answer
    forget_analytics(org_id)
    for instance in (cache, other):
        assert await instance.find(org_id, "report") is None
    later = await cache.get(org_id, "report", Source(b"2"))
    for instance in (cache, other):
        assert await instance.find(org_id, "report") == later


async def test_what_is_no_longer_fresh_is_not_found(make_cache, org_id):
    cache = make_cache(analytics_cache_seconds=1)
    answer = await cache.get(org_id, "report", Source())
    assert await cache.find(org_id, "report") == answer
    await asyncio.sleep(1.2)
    assert await cache.find(org_id, "report") is None
    # Stale, it is still served by `get`, which has it computed anew.
    source = Source(b"2")
    assert await cache.get(org_id, "report", source) == answer
    await source.started.wait()


async def test_a_version_that_redis_lost_finds_nothing(cache, org_id, settings):
    await cache.get(org_id, "report", Source())
    await cache.find(org_id, "report")
    sync_redis(settings.cache_url).delete(f"clozone:analytics:{{{org_id}}}:version")
    assert await cache.find(org_id, "report") is None


async def test_a_process_keeps_a_bounded_number_of_answers(cache, org_id, monkeypatch):
    monkeypatch.setattr("clozone.infra.cache.MOST_KNOWN", 3)
    for name in "abcdefa":
        await cache.get(org_id, name, Source(name.encode()))
        found = await cache.find(org_id, name)
        assert found is not None
        assert found.body == name.encode()
        assert len(cache._known) <= 3


async def test_nothing_is_found_with_the_cache_off_or_redis_away(make_cache, org_id):
    off = make_cache(analytics_cache_seconds=0)
    await off.get(org_id, "report", Source())
    assert await off.find(org_id, "report") is None
    away = make_cache(redis_cache_url=f"redis://127.0.0.1:{free_port()}/0")
    assert await away.find(org_id, "report") is None


# ---- Rubbish in Redis ---------------------------------------------------------------------------


def damage(redis: Redis, key: str, how: str) -> None:
    """Put at `key` what no instance ever stores."""
    value = redis.get(key)
    redis.delete(key)
    match how:
        case "empty":
            redis.set(key, b"")
        case "cut short":
            redis.set(key, value[:-3])
        case "only a version":
            redis.set(key, value[:VERSION_BYTES])
        case "changed at the end":
            redis.set(key, value[:-1] + bytes([value[-1] ^ 1]))
        case "a list":
            redis.rpush(key, b"a")


DAMAGES = ["empty", "cut short", "only a version", "changed at the end", "a list"]


@pytest.mark.parametrize("how", DAMAGES)
async def test_a_damaged_answer_is_missing(cache, other, org_id, settings, how):
    source = Source(b"figures " * 1_000)  # large enough for both forms
    await cache.get(org_id, "report", source)
    damage(sync_redis(settings.cache_url), answer_key(org_id, "report"), how)
    assert await other.find(org_id, "report") is None
    answer = await other.get(org_id, "report", source)
    assert answer.body == source.body
    assert await cache.find(org_id, "report") == answer
    assert source.times == 2


@pytest.mark.parametrize("how", ["empty", "cut short", "a list"])
async def test_a_damaged_version_is_lost(cache, other, org_id, settings, how):
    source = Source()
    await cache.get(org_id, "report", source)
    damage(sync_redis(settings.cache_url), version_key(org_id), how)
    source.body = b"2"
    for instance in (other, cache):
        assert await instance.find(org_id, "report") is None
        assert (await instance.get(org_id, "report", source)).body == b"2"
        assert await instance.find(org_id, "report") is not None
        damage(sync_redis(settings.cache_url), version_key(org_id), how)


@pytest.mark.parametrize("how", ["empty", "cut short", "a list"])
async def test_a_change_replaces_a_damaged_version(cache, org_id, settings, how):
    forget_analytics(org_id)
    redis = sync_redis(settings.cache_url)
    damage(redis, version_key(org_id), how)
    forget_analytics(org_id, 2**40)
    source = Source()
    await cache.get(org_id, "report", source)
    assert await cache.find(org_id, "report") is not None
