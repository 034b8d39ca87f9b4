"""The proven hot reads, by asyncpg on the event loop: one statement, one round trip, no thread.

What is read this way are SQL functions that take role and organisation themselves, like the claim
of a job's turn: so row-level security holds here as in a unit of work.
"""

from typing import Any

import asyncpg

from clozone.infra.pool_waits import PoolWaits
from clozone.infra.read_pool import ReadPool
from clozone.settings import Settings


class Reads:
    """Read-only connections of one web process. Made on its event loop; connects when asked."""

    def __init__(self, settings: Settings) -> None:
        self._primary = ReadPool(settings.database_url.get_secret_value(), settings, "reads")

    async def fetch(self, sql: str, *args: Any, after: int = 0) -> list[asyncpg.Record]:
        """The rows of one read-only statement with `$1`, `$2` … for `args`.

        `after` is the WAL position that they must include, 0 for any. Raises Unavailable when no
        connection came free in time, and peewee's OperationalError when the server is away or the
        statement took too long.
        """
        return await self._primary.fetch(sql, *args)

    def waits(self) -> dict[str, PoolWaits]:
        """The waits for a connection, by pool."""
        return {"reads": self._primary.waits}

    async def close(self) -> None:
        """Close the connections."""
        await self._primary.close()
