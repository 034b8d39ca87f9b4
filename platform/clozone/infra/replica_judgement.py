"""Whether a server may stand in for the primary: what both are asked, and what follows from it.

A copy of the same cluster is not enough. After a failover a standby may go on following the server
that was the primary before: it is up, it is even ahead, and what is written now never reaches it.
"""

from collections.abc import Mapping
from typing import Any

# The timeline of the primary is that of the file it writes to: the control file learns of a
# promotion only with the next checkpoint.
ASK_PRIMARY = """
SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS position,
       ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int AS timeline,
       (SELECT system_identifier FROM pg_control_system()) AS cluster,
       (SELECT oid FROM pg_database WHERE datname = current_database()) AS database
"""
ASK_REPLICA = """
SELECT pg_is_in_recovery() AS standby,
       CASE WHEN pg_is_in_recovery()
            THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END AS replayed,
       (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline)
        FROM pg_control_checkpoint() AS c, pg_control_recovery() AS r) AS timeline,
       (SELECT system_identifier FROM pg_control_system()) AS cluster,
       (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
       EXISTS (SELECT FROM pg_roles WHERE rolname = 'clozone_tenant'
               AND pg_has_role(oid, 'MEMBER')) AS may_read
"""


def why_unusable(primary: Mapping[str, Any] | None, replica: Mapping[str, Any]) -> str | None:
    """Why the server that gave the row `replica` holds other data than the one that gave `primary`
    (None: that one never answered), or does not show them to our login; None if nothing says so.
    """
    if not replica["standby"]:
        return "it is no standby: it takes writes of its own"
    if primary is not None and (other := _difference(primary, replica)):
        return other
    if not replica["may_read"]:
        return "the login in DATABASE_REPLICA_URL may not take the role clozone_tenant"
    if replica["replayed"] is None:
        return "it has replayed nothing yet"
    return None


def _difference(primary: Mapping[str, Any], replica: Mapping[str, Any]) -> str | None:
    if replica["cluster"] != primary["cluster"]:
        return "it is a standby of another server"
    if replica["timeline"] != primary["timeline"]:
        return (
            f"it is on timeline {replica['timeline']} and the primary on {primary['timeline']}:"
            " it has not followed a failover, or not reached its next restart point"
        )
    if replica["database"] != primary["database"]:
        return "DATABASE_REPLICA_URL names another database than DATABASE_URL"
    return None
