"""What a failure of a database connection means: is the server away, and may the read be repeated.

The errors of asyncpg become those of peewee, which the web layer knows.
"""

from typing import cast

import asyncpg
from peewee import InterfaceError, OperationalError

# Classes of SQLSTATE that speak about the server and not about the statement: connection, rollback
# (a standby that has to cancel a read), resources, operator, system.
_SERVER_CLASSES = frozenset({"08", "40", "53", "57", "58"})
# The statement took too long. It would again.
_QUERY_CANCELED = "57014"


def is_servers_fault(sqlstate: str | None) -> bool:
    """Whether another server, or the same one a moment later, might well answer."""
    return sqlstate is None or (sqlstate[:2] in _SERVER_CLASSES and sqlstate != _QUERY_CANCELED)


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
