"""What a failure of a database connection means: is the server away, and who would do better.

The errors of asyncpg become those of peewee, which the web layer knows.
"""

from typing import cast

import asyncpg
from peewee import DatabaseError, InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded

from clozone.kit.errors import Unavailable

# Classes of SQLSTATE that speak about the server and not about the statement: connection, rollback
# (a standby that has to cancel a read), resources, operator, system.
_SERVER_CLASSES = frozenset({"08", "40", "53", "57", "58"})
# And those that speak about the statement's values, or about what it set itself to do: it would
# fail the same on any server. So would one that took too long.
_STATEMENT_CLASSES = frozenset({"21", "22", "23", "P0"})
_STATEMENT_STATES = frozenset({"57014", "25006"})


def is_for_primary(error: Exception) -> bool:
    """Whether what failed on the replica is to be done on the primary instead.

    Whatever the replica says or does instead of answering counts: gone, restarting, in the way of
    what it replays, without a table, every connection or thread taken. Not what is the statement's
    own, its slowness included, nor an error of our own.
    """
    if isinstance(error, Unavailable | MaxConnectionsExceeded):
        return True
    if not isinstance(error, DatabaseError | InterfaceError | asyncpg.PostgresError):
        return False
    # peewee's and ours are raised while the driver's own is handled.
    cause = error if isinstance(error, asyncpg.PostgresError) else error.__context__
    state = getattr(cause, "sqlstate", None) or ""
    return state[:2] not in _STATEMENT_CLASSES and state not in _STATEMENT_STATES


def is_lost(error: BaseException) -> bool:
    """Whether an error of asyncpg says that the connection is gone; a timeout does not."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] == "08" or state in {"57P01", "57P02", "57P03", "57P05"}
    return isinstance(error, asyncpg.InterfaceError | OSError) and not isinstance(
        error, TimeoutError
    )


def as_peewee(error: Exception) -> Exception:
    """The error of peewee for one of asyncpg's or the network's; the same error if it is neither.

    OperationalError means, as everywhere, that the server is away or busy.
    """
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state[:2] in _SERVER_CLASSES or state[:2] == "55":
            return cast(Exception, OperationalError(str(error)))
    elif isinstance(error, asyncpg.InterfaceError):
        return cast(Exception, InterfaceError(str(error)))
    elif isinstance(error, OSError):
        return cast(Exception, OperationalError(str(error) or type(error).__name__))
    return error
