"""The proven hot reads, by asyncpg on the event loop: one statement, one round trip, no thread.

What is read this way are SQL functions that take role and organisation themselves, like the claim
of a job's turn: so row-level security holds here as in a unit of work.
"""

from typing import Any

import asyncpg
from loguru import logger

from clozone.infra.database_errors import is_for_primary
from clozone.infra.pool_waits import PoolWaits
from clozone.infra.read_pool import ReadPool
from clozone.infra.replica import ReplicaWatch
from clozone.settings import Settings


class Reads:
    """Read-only connections of one web process, to the primary and to the replica if it `watch`es
    one. Made on its event loop; connects when asked.
    """

    def __init__(self, settings: Settings, watch: ReplicaWatch | None = None) -> None:
        url = settings.database_url.get_secret_value()
        self._primary = ReadPool(url, settings, repeats=True)
        self._watch = watch
        self._replica: ReadPool | None = None
        if watch is not None and settings.database_replica_url is not None:
            url = settings.database_replica_url.get_secret_value()
            # What is lost here is repeated on the primary.
            self._replica = ReadPool(url, settings, repeats=False)
            watch.when_unfit(self._replica.abort)

    async def fetch(self, sql: str, *args: Any, after: int = 0) -> list[asyncpg.Record]:
        """The rows of one read-only statement with `$1`, `$2` … for `args`.

        `after` is the WAL position that they must include, 0 for any: a replica that is not yet
        there is not asked, and what fails on it is repeated on the primary. Raises Unavailable when
        no connection came free in time, and peewee's OperationalError when the server is away or
        the statement took too long.
        """
        if self._replica is not None and self._watch is not None and self._watch.has(after):
            try:
                return await self._replica.fetch(sql, *args)
            except Exception as error:
                if not is_for_primary(error):
                    raise
                logger.bind(error=type(error).__name__).warning("a read moves to the primary")
        return await self._primary.fetch(sql, *args)

    def waits(self) -> dict[str, PoolWaits]:
        """The waits for a connection, by pool."""
        pools = {"reads": self._primary, "replica_reads": self._replica}
        return {name: pool.waits for name, pool in pools.items() if pool is not None}

    async def close(self) -> None:
        """Close the connections."""
        await self._primary.close()
        if self._replica is not None:
            await self._replica.close()
