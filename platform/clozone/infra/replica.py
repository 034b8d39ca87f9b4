"""The read replica: how far it is, and whether it may be read from."""

from peewee import InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded

from clozone.infra.postgres import is_replicated, one_statement

# Further than any replica will ever be: whoever has to wait for it reads from the primary.
BEYOND = 2**63 - 1
_POSITION = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


def write_position() -> int:
    """The position in the write-ahead log up to which everything is that was committed so far.

    0 without asking where no replica is configured, since nobody needs to know then; BEYOND when
    the server does not say. To be called after the commit, outside of any unit of work.
    """
    if not is_replicated():
        return 0
    try:
        ((position,),) = one_statement(_POSITION, {})
    except (OperationalError, InterfaceError, MaxConnectionsExceeded):
        return BEYOND
    return int(position)
