"""A connection of its own over which one server is asked again and again how it is."""

from contextlib import suppress
from typing import Any

import asyncpg

from clozone.kit.postgres_address import asyncpg_arguments
from clozone.settings import Settings


class ServerProbe:
    """Asks the server at `url`, for at most `seconds` each time. Connects when asked."""

    def __init__(self, url: str, settings: Settings, *, seconds: float) -> None:
        self._arguments = asyncpg_arguments(url)
        named = {"application_name": f"clozone {settings.clozone_instance} watch"}
        self._arguments["server_settings"] = self._arguments.get("server_settings", {}) | named
        self._seconds = seconds
        self._connection: Any = None

    async def ask(self, sql: str) -> asyncpg.Record:
        """The one row of a query. Raises asyncpg's errors, or OSError, TimeoutError among them."""
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    **self._arguments,
                    timeout=self._seconds,
                    # It may be a pooler's address.
                    statement_cache_size=0,
                )
            return await self._connection.fetchrow(sql, timeout=self._seconds)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up, without waiting for the server."""
        if self._connection is not None:
            with suppress(asyncpg.InterfaceError):
                self._connection.terminate()
            self._connection = None
