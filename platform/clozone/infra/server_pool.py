"""peewee's connection pool, with fewer round trips and with a second server for reads.

What a unit of work costs besides its own statements is one round trip before them, which begins the
transaction and takes role and organisation, and one after them, the commit. A pooled connection is
not asked whether it still lives: the kernel tells when the server has hung up, and where only the
first statement shows it, that is sent once more on a new connection, since nothing was done yet.
"""

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import psycopg
from peewee import OperationalError
from peewee import __exception_wrapper__ as peewee_errors  # type: ignore[attr-defined]
from playhouse.pool import PooledPostgresqlDatabase

_LOST = frozenset({"57P01", "57P02", "57P03", "57P05"})
_from_replica: ContextVar[bool] = ContextVar("from_replica", default=False)


class ServerPool(PooledPostgresqlDatabase):  # type: ignore[misc]
    """The connections of this process to one server."""

    # Cleared from outside while the server does not answer: connections are made one at a time, and
    # whoever waits for another's must not try the same afterwards.
    reachable = True

    def abort(self) -> None:
        """Hang up on every connection, also on those in use: whoever waits on one gets an error.

        For a server that does not answer any more. May wait for a connection that is being made.
        """
        with self._pool_lock:
            in_use = [pooled.connection for pooled in self._in_use.values()]
            for connection in (*in_use, *(entry[-1] for entry in self._connections)):
                _hang_up(connection)

    def _connect(self) -> Any:
        if not self.reachable:
            raise psycopg.OperationalError("the server does not answer")
        return super()._connect()

    def _is_closed(self, conn: Any) -> bool:
        return bool(conn.closed) or _was_hung_up(conn)


class RoutedDatabase(ServerPool):
    """The database of this process: its units of work take their connections from the primary's
    pool, or from the replica's where they ask for it.
    """

    def __init__(self) -> None:
        super().__init__(None, autoconnect=False, prefer_psycopg3=True)
        self.replica: ServerPool | None = None
        self._open_replicas = threading.local()

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Give this thread a connection, from the replica's pool inside `reading_replica()`."""
        if not (_from_replica.get() and self.replica is not None):
            connected: bool = super().connect(reuse_if_open)
            return connected
        if not self.is_closed():
            raise OperationalError("Connection already opened.")
        # Not under the lock of this pool: what makes the replica's wait must not reach the primary.
        replica = self.replica
        replica.connect()
        self._open_replicas.pool = replica
        self._state.set_connection(replica.connection())
        if self.server_version is None:
            self._set_server_version(replica.connection())
        return True

    def close(self) -> bool:
        """Give the connection back to the pool it is from."""
        replica: ServerPool | None = getattr(self._open_replicas, "pool", None)
        if replica is None:
            closed: bool = super().close()
            return closed
        if self.in_transaction():
            raise OperationalError("Attempting to close database while transaction is open.")
        self._open_replicas.pool = None
        self._state.reset()
        return bool(replica.close())

    def begin(self, isolation_level: Any = None, opening: str | None = None) -> None:
        """Begin a transaction by `opening`, plain SQL that may set what is to hold in it."""
        if opening is None:
            super().begin(isolation_level)
            return
        try:
            self._send(opening)
        except OperationalError as error:
            if getattr(self._open_replicas, "pool", None) or not self._lost(error):
                raise
            self._take_new_connection()
            self._send(opening)

    def _send(self, opening: str) -> None:
        with peewee_errors:
            # Without parameters: the simple protocol takes several statements in one round trip.
            self.cursor().execute(opening)

    def _lost(self, error: OperationalError) -> bool:
        cause = error.__context__
        state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
        return bool(self._state.conn.closed) or state in _LOST

    def _take_new_connection(self) -> None:
        with self._pool_lock, peewee_errors:
            lost = self._state.conn
            self._in_use.pop(self.conn_key(lost), None)
            self._close_raw(lost)
            # The others were made to the same server before it went.
            self.close_idle()
            self._state.conn = self._connect()


@contextmanager
def reading_replica() -> Iterator[None]:
    """Units of work opened inside the block take their connection from the replica's pool."""
    token = _from_replica.set(True)
    try:
        yield
    finally:
        _from_replica.reset(token)


def _was_hung_up(connection: "psycopg.Connection[Any]") -> bool:
    """Whether the server has sent anything to an idle connection: its farewell, or the end."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def _hang_up(connection: "psycopg.Connection[Any]") -> None:
    # A second descriptor of the same socket: closing it leaves libpq its own.
    with suppress(psycopg.Error, OSError):
        duplicate = socket.socket(fileno=os.dup(connection.pgconn.socket))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
