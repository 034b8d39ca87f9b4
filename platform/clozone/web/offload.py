"""From the async shell to the sync core: one thread, one unit of work, one transaction.

There are as many threads as database connections, so a thread never waits for a connection; the
wait for a thread is bounded, so a slow database gives 503 instead of a pile of waiting requests.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from clozone.infra.postgres import unit_of_work
from clozone.kit.errors import Unavailable
from clozone.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Some threads, as many slots, and a bounded wait for a slot."""

    def __init__(self, name: str, size: int, wait_seconds: float) -> None:
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._slots = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, run on a thread with this task's context variables.

        Raises Unavailable if no thread came free in time. Cancelling the wait does not stop the
        thread: its work ends as if nobody had left, and only then is the slot free again.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable(
                "The platform is busy. Try again in a moment.", headers={"Retry-After": "1"}
            ) from None
        loop = asyncio.get_running_loop()

        def free(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop closed while the thread was still at work
                loop.call_soon_threadsafe(self._slots.release)

        try:
            future = self._executor.submit(copy_context().run, work)
        except BaseException:
            self._slots.release()
            raise
        future.add_done_callback(free)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let running work end and take no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)


_threads: dict[str, Threads] = {}


def open_threads(settings: Settings) -> None:
    """Make the threads of this process. Called by the composition root."""
    size, wait = settings.database_pool_size, settings.offload_wait_seconds
    _threads["database"] = Threads("database", size, wait)
    _threads["plain"] = Threads("plain", size, wait)


def close_threads() -> None:
    """Let running work end. Called at shutdown."""
    for threads in _threads.values():
        threads.close()
    _threads.clear()


async def offload(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function in one transaction of the current scope; it has committed on return.

    Raises what `function` raises, after rolling back, and Unavailable when every thread is taken.
    """

    def work() -> T:
        with unit_of_work():
            return function(*args, **kwargs)

    return await _pool("database").run(work)


async def offload_plain(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work that touches no database: hashing, object storage, a file."""
    return await _pool("plain").run(partial(function, *args, **kwargs))


async def on_database_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a plain function that opens its own units of work, one after the other."""
    return await _pool("database").run(partial(function, *args, **kwargs))


def _pool(name: str) -> Threads:
    try:
        return _threads[name]
    except KeyError:
        raise RuntimeError("open_threads(settings) comes first") from None
