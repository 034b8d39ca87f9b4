"""Threads with a share for urgent work, and a bounded wait."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from clozone.kit.errors import Unavailable
from clozone.web.threads import Threads

SHORT = 0.05


@asynccontextmanager
async def busy(threads: Threads, count: int, *, urgent: bool = False) -> AsyncIterator[None]:
    """As many threads at work until the block ends."""
    release = threading.Event()
    started = threading.Semaphore(0)

    def work() -> None:
        started.release()
        release.wait()

    tasks = [asyncio.create_task(threads.run(work, urgent=urgent)) for _ in range(count)]
    for _ in tasks:
        await asyncio.to_thread(started.acquire)
    try:
        yield
    finally:
        release.set()
        await asyncio.gather(*tasks)


@pytest.fixture
def make() -> Callable[..., Threads]:
    return lambda size, reserved: Threads("test", size, SHORT, reserved=reserved)


async def test_ordinary_work_leaves_the_reserve_to_urgent_work(
    make: Callable[..., Threads],
) -> None:
    threads = make(3, 1)
    async with busy(threads, 2):
        with pytest.raises(Unavailable) as refused:
            await threads.run(lambda: 1)
        assert refused.value.headers == {"Retry-After": "1"}
        assert await threads.run(lambda: 2, urgent=True) == 2
    assert await threads.run(lambda: 3) == 3
    assert (threads.waits.count, threads.waits.refused) == (4, 1)
    threads.close()


async def test_urgent_work_is_bounded_too(make: Callable[..., Threads]) -> None:
    threads = make(2, 1)
    async with busy(threads, 2, urgent=True):
        for urgent in (True, False):
            with pytest.raises(Unavailable):
                await threads.run(lambda: 1, urgent=urgent)
    # Nothing of the refused ones is held back: all slots are there again.
    async with busy(threads, 1):
        assert await threads.run(lambda: 2, urgent=True) == 2
    threads.close()


async def test_a_wait_that_is_cancelled_gives_back_what_it_had() -> None:
    threads = Threads("test", 2, 60, reserved=1)
    async with busy(threads, 2, urgent=True):
        waiting = asyncio.create_task(threads.run(lambda: 1))
        await asyncio.sleep(SHORT)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await threads.run(lambda: 2) == 2
    threads.close()


async def test_without_a_reserve_all_work_is_alike(make: Callable[..., Threads]) -> None:
    threads = make(1, 0)
    assert await threads.run(lambda: 1) == 1
    threads.close()
