"""Threads for blocking work, as many as may work at once, and a bounded wait for one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from typing import TypeVar

from clozone.infra.pool_waits import PoolWaits
from clozone.kit.errors import Unavailable

T = TypeVar("T")

BUSY = "The platform is busy. Try again in a moment."


class Threads:
    """Some threads, as many slots, and a bounded wait for a slot.

    The last `reserved` slots are for urgent work alone: ordinary work that is slow cannot keep it
    out. `waits` counts how long work waited.
    """

    def __init__(self, name: str, size: int, wait_seconds: float, *, reserved: int = 0) -> None:
        self.waits = PoolWaits()
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._slots = asyncio.Semaphore(size)
        self._ordinary = asyncio.Semaphore(size - reserved)
        self._wait_seconds = wait_seconds

    async def run(self, work: Callable[[], T], *, urgent: bool = False) -> T:
        """What `work` returns, run on a thread with this task's context variables.

        Raises Unavailable if no thread came free in time. Cancelling the wait does not stop the
        thread: its work ends as if nobody had left, and only then is the slot free again.
        """
        needed = [self._slots] if urgent else [self._ordinary, self._slots]
        await self._acquire(needed)
        loop = asyncio.get_running_loop()

        def free(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop closed while the thread was still at work
                loop.call_soon_threadsafe(_release, needed)

        try:
            future = self._executor.submit(copy_context().run, work)
        except BaseException:
            _release(needed)
            raise
        future.add_done_callback(free)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let running work end and take no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def _acquire(self, needed: list[asyncio.Semaphore]) -> None:
        if not any(each.locked() for each in needed):
            for each in needed:
                await each.acquire()  # at once
            self.waits.add(0.0)
            return
        async with self._counted_wait():
            taken: list[asyncio.Semaphore] = []
            try:
                for each in needed:
                    await each.acquire()
                    taken.append(each)
            except BaseException:
                _release(taken)
                raise

    @asynccontextmanager
    async def _counted_wait(self) -> AsyncIterator[None]:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._wait_seconds):
                yield
        except TimeoutError:
            self.waits.refuse(time.perf_counter() - began)
            raise Unavailable(BUSY, headers={"Retry-After": "1"}) from None
        self.waits.add(time.perf_counter() - began)


def _release(taken: list[asyncio.Semaphore]) -> None:
    for each in taken:
        each.release()
