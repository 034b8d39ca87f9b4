"""Who may be answered from the replica: whoever would not miss there what they wrote themselves.

After each request that may have written, the position that the primary's log has then reached is
kept for the caller; a read goes to the replica only when that has replayed it.
"""

import asyncio
from contextvars import ContextVar

from quart import current_app

from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.own_writes import OwnWrites
from clozone.infra.postgres import database
from clozone.infra.replica import ReplicaWatch, write_position
from clozone.kit.errors import Unavailable
from clozone.settings import Settings
from clozone.web.offload import on_database_thread, use_replica

EXTENSION = "replica"

caller: ContextVar[str | None] = ContextVar("caller", default=None)


class ReplicaReads:
    """The replica as one web process uses it. Made on its event loop."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.watch = ReplicaWatch(settings, url)
        self.watch.when_fit(_call_again)
        self.watch.when_unfit(_hang_up)
        self._writes = OwnWrites(settings)

    async def close(self) -> None:
        """Close the connections."""
        await self.watch.close()
        await self._writes.close()

    async def may_read(self) -> bool:
        """Whether this request's caller may be answered from the replica now."""
        if not self.watch.has(0):
            return False
        key = caller.get()
        return key is None or self.watch.has(await self._writes.latest(key))

    async def note_write(self) -> None:
        """Keep in mind that this request's caller may just have written something."""
        key = caller.get()
        if key is None:
            return
        try:
            position = await on_database_thread(write_position)
        except Unavailable:
            position = UNKNOWN_POSITION
        await self._writes.note(key, position)


def replica_reads(settings: Settings) -> ReplicaReads | None:
    """The replica of the settings, watched from now on and read from; None where there is none.

    To be called on the event loop.
    """
    if not settings.database_replica_url:
        use_replica(None)
        return None
    replica = ReplicaReads(settings, settings.database_replica_url.get_secret_value())
    replica.watch.start()
    use_replica(replica.may_read)
    return replica


async def note_write() -> None:
    """Keep in mind, where there is a replica, that this request's caller may just have written."""
    replica: ReplicaReads | None = current_app.extensions.get(EXTENSION)
    if replica is not None:
        await replica.note_write()


def _call_again() -> None:
    if database.replica is not None:
        database.replica.reachable = True


def _hang_up() -> None:
    """Let the threads go that wait for the replica."""
    if database.replica is not None:
        database.replica.reachable = False
        # It may wait for a lock, so not on the loop.
        asyncio.get_running_loop().run_in_executor(None, database.replica.abort)
