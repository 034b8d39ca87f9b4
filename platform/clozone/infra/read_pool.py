"""A few asyncpg connections to one PostgreSQL server, for reads of one statement.

A read is one round trip: the statement stays prepared on its connection, its transaction is the
implicit one, and a connection goes back to the pool without being reset, because nothing that a
read may set outlives its transaction. Behind a pooler in transaction mode nothing stays prepared
and the timeouts must be set for each transaction, so there a read takes four.
"""

import time
from typing import Any

import asyncpg
from peewee import OperationalError

from clozone.infra.database_errors import as_peewee, is_lost
from clozone.infra.pool_waits import PoolWaits
from clozone.kit.errors import Unavailable
from clozone.kit.postgres_address import asyncpg_arguments
from clozone.settings import Settings

CONNECT_SECONDS = 3.0
# On top of the server's own limit, which gives the better answer.
MARGIN_SECONDS = 1.0
BUSY = "The platform is busy. Try again in a moment."


class ReadPool:
    """Connections to the server at `url`; made on the event loop, connects when first asked.

    With `repeats`, a read whose connection is lost is sent once more on another.
    """

    def __init__(self, url: str, settings: Settings, *, repeats: bool) -> None:
        self.waits = PoolWaits()
        self._arguments = asyncpg_arguments(url)
        self._name = f"clozone {settings.clozone_instance} reads"
        self._repeats = repeats
        self._size = settings.database_read_connections
        self._wait_seconds = settings.offload_wait_seconds
        self._timeout_ms = settings.database_statement_timeout_ms
        self._timeout_seconds = self._timeout_ms / 1000 + MARGIN_SECONDS
        self._pooler = settings.database_pooler == "transaction"
        self._pool: asyncpg.Pool | None = None

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """The rows of one read-only statement.

        Raises Unavailable when no connection came free in time, peewee's OperationalError or
        InterfaceError when the server is away or the statement took too long.
        """
        try:
            return await self._fetch(sql, args)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if not (self._repeats and is_lost(error)):
                raise as_peewee(error) from error
        if self._pool is not None:
            await self._pool.expire_connections()
        try:
            return await self._fetch(sql, args)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise as_peewee(error) from error

    def abort(self) -> None:
        """Hang up at once on a server that does not answer: reads in progress fail, and the next
        one connects anew.
        """
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def close(self) -> None:
        """Close the connections."""
        self.abort()

    async def _fetch(self, sql: str, args: tuple[Any, ...]) -> list[asyncpg.Record]:
        pool = await self._opened()
        connection = await self._connection(pool)
        try:
            if self._pooler:
                return await self._fetch_in_transaction(connection, sql, args)
            rows: list[asyncpg.Record] = await connection.fetch(
                sql, *args, timeout=self._timeout_seconds
            )
            return rows
        except TimeoutError:
            # The server is frozen or out of reach; waiting for its farewell would be as long.
            connection.terminate()
            raise
        finally:
            if self._pool is not pool:
                # Aborted meanwhile: that pool takes nothing back.
                connection.terminate()
            await pool.release(connection)

    async def _fetch_in_transaction(
        self, connection: Any, sql: str, args: tuple[Any, ...]
    ) -> list[asyncpg.Record]:
        timeout = self._timeout_seconds
        done = False
        try:
            await connection.execute(
                f"BEGIN READ ONLY; SET LOCAL statement_timeout = {int(self._timeout_ms)}",
                timeout=timeout,
            )
            rows: list[asyncpg.Record] = await connection.fetch(sql, *args, timeout=timeout)
            await connection.execute("COMMIT", timeout=timeout)
            done = True
            return rows
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            if not connection.is_closed():
                await connection.execute("ROLLBACK", timeout=timeout)
                done = True
            raise
        finally:
            if not done:
                # The reader has left, or nobody knows: the transaction ends with the connection.
                connection.terminate()

    async def _connection(self, pool: asyncpg.Pool) -> Any:
        began = time.perf_counter()
        try:
            connection = await pool.acquire(timeout=self._wait_seconds)
        except TimeoutError:
            self.waits.refuse(time.perf_counter() - began)
            raise Unavailable(BUSY, headers={"Retry-After": "1"}) from None
        except asyncpg.PostgresError as error:
            # Whatever the server has against our login: it is not there for us.
            if is_lost(error):
                raise
            raise OperationalError(str(error)) from error
        self.waits.add(time.perf_counter() - began)
        return connection

    async def _opened(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                **self._arguments | {"server_settings": self._server_settings()},
                min_size=0,
                max_size=self._size,
                timeout=CONNECT_SECONDS,
                reset=_keep_as_it_is,
                statement_cache_size=0 if self._pooler else 100,
            )
        # Opens no connection: the least size is none.
        return await self._pool

    def _server_settings(self) -> dict[str, str]:
        given = {**self._arguments.get("server_settings", {}), "application_name": self._name}
        if self._pooler:
            return given
        return {
            **given,
            "timezone": "UTC",
            "default_transaction_read_only": "on",
            "statement_timeout": str(self._timeout_ms),
            "lock_timeout": "5000",
        }


async def _keep_as_it_is(_connection: object) -> None:
    """Nothing that a read may set outlives its transaction."""
