"""The platform's tables, read from outside: plain SQL on a connection of the drill's own."""

from typing import Any

import psycopg
from psycopg.sql import SQL

from clozone.drill.target import Target
from clozone.local.postgres import APPLICATION, postgres_url

CONNECT_SECONDS = 3


class Database:
    """Reads rows of every organisation. A connection each time: the server is killed meanwhile."""

    def __init__(self, target: Target) -> None:
        self._url = postgres_url(target.plan, APPLICATION)

    def rows(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """What the statement finds. Raises psycopg.OperationalError when the server is away."""
        with self._connected() as connection:
            return connection.execute(SQL(statement), values).fetchall()

    def change(self, statement: str, /, **values: Any) -> None:
        """Run a statement that returns nothing: for preparations, never for a proof."""
        with self._connected() as connection:
            connection.execute(SQL(statement), values)

    def _connected(self) -> "psycopg.Connection[tuple[Any, ...]]":
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        connection.execute("SET ROLE clozone_platform")
        return connection
