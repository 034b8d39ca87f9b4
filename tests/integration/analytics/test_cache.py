import asyncio
from uuid import UUID

import pytest
from tests.support.processes import free_port

from clozone.infra.cache import AnalyticsCache, forget_analytics, init_cache
from clozone.infra.redis import sync_redis
from clozone.kit.ids import new_id
from clozone.settings import Settings


class Source:
    """Computes bodies, and counts how often; may be held up."""

    def __init__(self) -> None:
        self.body = b"1"
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()

    async def __call__(self) -> bytes:
        self.times += 1
        body = self.body
        self.started.set()
        await self.gate.wait()
        return body


@pytest.fixture
async def cache(settings: Settings):
    init_cache(settings)
    cache = AnalyticsCache(settings)
    yield cache
    await cache.close()


@pytest.fixture
def org_id() -> UUID:
    return new_id()


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


async def test_another_process_finds_the_answer(cache, org_id, settings):
    source, other = Source(), AnalyticsCache(settings)
    await cache.get(org_id, "report", source)
    assert (await other.get(org_id, "report", source)).body == b"1"
    await other.close()
    assert source.times == 1


async def test_the_etag_is_that_of_the_bytes(cache, org_id):
    source = Source()
    before = await cache.get(org_id, "report", source)
    forget_analytics(org_id)
    same = await cache.get(org_id, "report", source)
    forget_analytics(org_id)
    source.body = b"2"
    other = await cache.get(org_id, "report", source)
    assert before.etag == same.etag != other.etag


async def test_after_a_change_the_next_read_computes(cache, org_id):
    source = Source()
    await cache.get(org_id, "report", source)
    source.body = b"2"
    forget_analytics(org_id)
    assert (await cache.get(org_id, "report", source)).body == b"2"


async def test_a_change_leaves_other_organisations_alone(cache, org_id):
    source = Source()
    await cache.get(org_id, "report", source)
    forget_analytics(new_id())
    await cache.get(org_id, "report", source)
    assert source.times == 1


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


async def test_a_read_after_a_change_does_not_join_one_from_before(cache, org_id):
    source = Source()
    source.gate.clear()
    slow = asyncio.create_task(cache.get(org_id, "report", source))
    await source.started.wait()
    source.started.clear()
    source.body = b"2"
    forget_analytics(org_id)
    fresh = asyncio.create_task(cache.get(org_id, "report", source))
    await source.started.wait()
    source.gate.set()
    assert (await fresh).body == b"2"
    await slow


async def test_requests_that_miss_at_the_same_time_compute_once(cache, org_id):
    source = Source()
    source.gate.clear()
    reads = [asyncio.create_task(cache.get(org_id, "report", source)) for _ in range(50)]
    await source.started.wait()
    source.gate.set()
    assert {answer.body for answer in await asyncio.gather(*reads)} == {b"1"}
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


async def test_a_failed_computation_is_not_kept(cache, org_id):
    async def fail() -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cache.get(org_id, "report", fail)
    assert (await cache.get(org_id, "report", Source())).body == b"1"


async def test_a_redis_that_lost_everything_serves_nothing_old(cache, org_id, settings):
    source = Source()
    await cache.get(org_id, "report", source)
    sync_redis(settings.cache_url).flushdb()
    source.body = b"2"
    assert (await cache.get(org_id, "report", source)).body == b"2"


async def test_a_lost_version_is_not_met_again(cache, org_id, settings):
    source = Source()
    await cache.get(org_id, "report", source)
    redis = sync_redis(settings.cache_url)
    redis.delete(f"clozone:analytics:{{{org_id}}}:version")
    source.body = b"2"
    assert (await cache.get(org_id, "report", source)).body == b"2"


async def test_answers_expire(cache, org_id, settings):
    await cache.get(org_id, "report", Source())
    redis = sync_redis(settings.cache_url)
    left = redis.ttl(f"clozone:analytics:{{{org_id}}}:report")
    assert 0 < left <= settings.analytics_cache_seconds


async def test_without_redis_every_read_computes(org_id, settings):
    nowhere = settings.model_copy(update={"redis_cache_url": f"redis://127.0.0.1:{free_port()}/0"})
    init_cache(nowhere)
    cache = AnalyticsCache(nowhere)
    source = Source()
    await cache.get(org_id, "report", source)
    forget_analytics(org_id)
    source.body = b"2"
    assert (await cache.get(org_id, "report", source)).body == b"2"
    await cache.close()
    init_cache(settings)
