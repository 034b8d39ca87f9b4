"""From the async shell to the sync core: one thread, one unit of work, one transaction.

There are as many threads as database connections, so a thread never waits for a connection; the
wait for a thread is bounded, so a slow database gives 503 instead of a pile of waiting requests.
A few threads are kept for what must come in whatever the rest is doing: webhooks and sign-ins. The
replica's connections have threads of their own, so that a replica that hangs hangs nothing else.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from loguru import logger

from clozone.infra.database_errors import is_for_primary
from clozone.infra.pool_waits import PoolWaits
from clozone.infra.postgres import reading_replica, unit_of_work
from clozone.settings import Settings
from clozone.web.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

RESERVED_SHARE = 4

MayReadReplica = Callable[[], Awaitable[bool]]
"""Whether whoever calls may be answered from the replica now."""

_threads: dict[str, Threads] = {}
_may_read_replica: MayReadReplica | None = None


def open_threads(settings: Settings) -> None:
    """Make the threads of this process. Called by the composition root."""
    size, wait = settings.database_pool_size, settings.offload_wait_seconds
    reserved = min(size - 1, -(-size // RESERVED_SHARE))
    _threads["database"] = Threads("database", size, wait, reserved=reserved)
    _threads["plain"] = Threads("plain", size, wait)
    if settings.database_replica_url:
        # Whoever does not get one in time asks the primary, for which there has to be time.
        _threads["replica"] = Threads("replica", size, wait / 2)


def use_replica(may_read: MayReadReplica | None) -> None:
    """Let `offload_read` go to the replica whenever `may_read` says so; None: never."""
    global _may_read_replica  # noqa: PLW0603 - one replica per process, like its threads
    _may_read_replica = may_read


def close_threads() -> None:
    """Let running work end. Called at shutdown."""
    for threads in _threads.values():
        threads.close()
    _threads.clear()


def pool_waits() -> dict[str, PoolWaits]:
    """How long work has waited for a thread, and so for a connection, by the pool's name."""
    return {name: threads.waits for name, threads in _threads.items()}


async def offload(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function in one transaction of the current scope; it has committed on return.

    Raises what `function` raises, after rolling back, and Unavailable when every thread is taken.
    """

    def work() -> T:
        with unit_of_work():
            return function(*args, **kwargs)

    return await _pool("database").run(work)


async def offload_read(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function that only reads, in one read-only transaction of the current scope.

    On the replica where there is one that is fit and has everything the caller has written, else on
    the primary; there also what fails on the replica, so `function` may run twice. The server
    refuses a write. Raises what `offload` raises.
    """

    def work() -> T:
        with unit_of_work(read_only=True):
            return function(*args, **kwargs)

    def work_on_replica() -> T:
        with reading_replica():
            return work()

    if _may_read_replica is not None and await _may_read_replica():
        try:
            return await _pool("replica").run(work_on_replica)
        except Exception as error:
            if not is_for_primary(error):
                raise
            logger.bind(error=type(error).__name__).warning("a read moves to the primary")
    return await _pool("database").run(work)


async def offload_plain(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work that touches no database: hashing, object storage, a file."""
    return await _pool("plain").run(partial(function, *args, **kwargs))


async def on_database_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a plain function that opens its own units of work, one after the other.

    For short work that must come in, such as webhooks and sign-ins: it may use the reserved threads.
    """
    return await _pool("database").run(partial(function, *args, **kwargs), urgent=True)


def _pool(name: str) -> Threads:
    try:
        return _threads[name]
    except KeyError:
        raise RuntimeError("open_threads(settings) comes first") from None


__all__ = [
    "Threads",
    "close_threads",
    "offload",
    "offload_plain",
    "offload_read",
    "on_database_thread",
    "open_threads",
    "pool_waits",
    "use_replica",
]
