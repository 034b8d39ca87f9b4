"""The standby: a copy of PostgreSQL that follows the primary, to read from.

Its data are a copy made by pg_basebackup, kept from start to start for as long as the primary still
has what the copy is missing; otherwise the copy is made anew. The slot that keeps it for the copy
is bounded (`max_slot_wal_keep_size`), so a standby that stays away does not fill the disk.
"""

import re
import shutil
import signal
import subprocess

import psycopg

from clozone.local.once import run_once
from clozone.local.plan import Plan
from clozone.local.postgres import provide_login, superuser_connection
from clozone.local.postgres_configuration import write_configuration
from clozone.local.postgres_eviction import evict
from clozone.local.postgres_place import REPLICA, PostgresPlace, find_place
from clozone.local.spec import ProcessSpec

SLOT = "clozone_replica"
LOGIN = "clozone_replication"
BACKUP_SECONDS = 3_600.0

# The address of the primary stands here and not in postgresql.auto.conf, where pg_basebackup would
# put it: the primary may get another port.
_FOLLOWING = """
primary_conninfo = 'host=127.0.0.1 port={port} user={login} password={password}'
primary_slot_name = '{slot}'
wal_retrieve_retry_interval = 1s
# A read that is in the way of what came from the primary is ended and repeated there: rather that
# than everybody reading old rows.
max_standby_streaming_delay = 3s
"""


def standby(plan: Plan) -> ProcessSpec:
    """The standby of `plan`'s PostgreSQL, which must run before it is prepared."""
    place = find_place(plan.home, REPLICA)
    port = plan.ports[REPLICA]
    env = plan.server_env(LC_ALL="C")

    def prepare() -> None:
        place.claim()
        evict(place.data)
        with superuser_connection(plan) as primary:
            password = plan.keys.postgres_replication_password
            provide_login(primary, LOGIN, "REPLICATION", password)
            if not _can_follow(place, primary, env):
                _drop_slot(primary)
                _copy(plan, place, env)
        following = _FOLLOWING.format(
            port=plan.ports["postgres"], login=LOGIN, password=password, slot=SLOT
        )
        write_configuration(place, port, following)

    def ready() -> bool:
        with superuser_connection(plan, server=REPLICA) as connection:
            return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)

    return ProcessSpec(
        name=REPLICA,
        command=(str(place.program("postgres")), "-D", str(place.data)),
        env=env,
        folder=place.folder,
        log=plan.home.log(REPLICA),
        port=port,
        account=place.account,
        stop_signal=signal.SIGINT,
        grace_seconds=30.0,
        ready=ready,
        prepare=prepare,
    )


def _can_follow(
    place: PostgresPlace, primary: "psycopg.Connection[tuple[object, ...]]", env: dict[str, str]
) -> bool:
    """Whether the copy is one of this primary, and the primary still has what it is missing."""
    if not (place.data / "standby.signal").exists():
        return False
    found = primary.execute(
        "SELECT s.system_identifier::text, c.timeline_id::text, pg_current_wal_flush_lsn()::text"
        " FROM pg_control_system() s, pg_control_checkpoint() c"
    ).fetchone()
    slot = primary.execute(
        "SELECT 1 FROM pg_replication_slots"
        " WHERE slot_name = %s AND restart_lsn IS NOT NULL AND wal_status <> 'lost'",
        (SLOT,),
    ).fetchone()
    if found is None or slot is None:
        return False
    identifier, timeline, position = map(str, found)
    copied = _control_data(place, env)
    return (
        copied["Database system identifier"] == identifier
        and copied["Latest checkpoint's TimeLineID"] == timeline
        and _bytes(copied["Minimum recovery ending location"]) <= _bytes(position)
    )


def _control_data(place: PostgresPlace, env: dict[str, str]) -> dict[str, str]:
    """What the copy's control file says. Read as we are: root may, and else the files are ours."""
    output = subprocess.run(  # noqa: S603
        [place.program("pg_controldata"), "-D", place.data],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(re.findall(r"^(.+?): +(.+)$", output, re.MULTILINE))


def _bytes(position: str) -> int:
    high, low = position.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _drop_slot(primary: "psycopg.Connection[tuple[object, ...]]") -> None:
    primary.execute(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
        " WHERE slot_name = %s AND active_pid IS NOT NULL",
        (SLOT,),
    )
    primary.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
        (SLOT,),
    )


def _copy(plan: Plan, place: PostgresPlace, env: dict[str, str]) -> None:
    # Beside its final place, so that an interrupted attempt is never taken for a copy.
    draft = place.data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(place.data, ignore_errors=True)
    run_once(
        "pg_basebackup",
        (
            *(str(place.program("pg_basebackup")), "-D", str(draft)),
            *("-h", "127.0.0.1", "-p", str(plan.ports["postgres"]), "-U", LOGIN, "-w"),
            *("-X", "stream", "-C", "-S", SLOT, "-c", "fast"),
        ),
        env={**env, "PGPASSWORD": plan.keys.postgres_replication_password},
        folder=place.folder,
        log=plan.home.log(REPLICA),
        account=place.account,
        timeout=BACKUP_SECONDS,
    )
    place.write(draft / "standby.signal", "")
    draft.rename(place.data)
