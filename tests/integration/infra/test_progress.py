import asyncio

import pytest

from clozone.infra.progress import CHANNEL, ProgressFeed, init_progress, publish
from clozone.infra.redis import sync_redis
from clozone.kit.ids import new_id

LONG = 30.0


@pytest.fixture
async def feed(settings):
    init_progress(settings)
    feed = ProgressFeed(settings)
    feed.start()
    with feed.watch(new_id()) as anyone:
        await signalled(anyone)  # it listens
    yield feed
    await feed.close()


async def signalled(watch) -> None:
    async with asyncio.timeout(LONG):
        await watch.wait(LONG * 2)


def is_quiet(watch) -> bool:
    return not watch._changed.is_set()


async def test_those_who_watch_a_session_learn_of_its_change(feed):
    mine, other = new_id(), new_id()
    with feed.watch(mine) as first, feed.watch(mine) as second, feed.watch(other) as third:
        await asyncio.to_thread(publish, mine)
        await signalled(first)
        await signalled(second)
        assert is_quiet(third)


async def test_changes_that_were_not_seen_are_one_signal(feed):
    session_id, marker = new_id(), new_id()
    with feed.watch(session_id) as watch, feed.watch(marker) as end:
        for _ in range(1_000):
            publish(session_id)
        publish(marker)
        await signalled(end)
        await signalled(watch)
        assert is_quiet(watch)


async def test_whoever_watched_while_the_connection_was_lost_looks_again(feed, settings):
    session_id = new_id()
    with feed.watch(session_id) as watch:
        redis = sync_redis(settings.redis_url)
        redis.client_kill_filter(_type="pubsub")
        await signalled(watch)
        publish(session_id)
        await signalled(watch)


async def test_messages_that_are_not_ours_are_passed_over(feed, settings):
    session_id = new_id()
    with feed.watch(session_id) as watch:
        sync_redis(settings.redis_url).publish(CHANNEL, b"nonsense")
        publish(session_id)
        await signalled(watch)


async def test_nobody_is_remembered_who_has_left(feed):
    with feed.watch(new_id()):
        pass
    assert not feed._watches


@pytest.mark.parametrize("turns", range(8))
async def test_it_can_be_closed_while_it_still_connects(settings, turns):
    feed = ProgressFeed(settings)
    feed.start()
    for _ in range(turns):
        await asyncio.sleep(0)
    closing = asyncio.ensure_future(feed.close())
    done, _ = await asyncio.wait({closing}, timeout=LONG)
    assert closing in done
