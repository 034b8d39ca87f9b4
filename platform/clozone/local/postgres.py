"""PostgreSQL: one cluster, the owner's and the application's logins, the database `clozone`."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from clozone.local.errors import BundleError
from clozone.local.once import run_once
from clozone.local.plan import Plan
from clozone.local.postgres_eviction import evict
from clozone.local.postgres_place import PostgresPlace, find_place
from clozone.local.spec import ProcessSpec

DATABASE = "clozone"
SUPERUSER = "postgres"
OWNER = "clozone_owner"
APPLICATION = "clozone_app"

# In the file, not on the command line: a standby must find the same values.
_CONFIGURATION = """\
# Written by `clozone up` at every start. Your own settings belong in postgresql.local.conf.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100

shared_buffers = 64MB
work_mem = 4MB
maintenance_work_mem = 32MB
io_workers = 1
jit = off

wal_level = replica
max_wal_senders = 5
max_replication_slots = 5
hot_standby = on
fsync = on
synchronous_commit = on
min_wal_size = 80MB
max_wal_size = 256MB

shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 2000
pg_stat_statements.track_utility = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
# Rows and parameters hold transcripts; they do not belong in a log.
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0

include = 'postgresql.local.conf'
"""

_ACCESS = """\
# Written by `clozone up` at every start.
host all         all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""


def postgres(plan: Plan) -> ProcessSpec:
    """The PostgreSQL server of `plan`."""
    place = find_place(plan.home)
    port = plan.ports["postgres"]
    env = plan.server_env(LC_ALL="C")

    def prepare() -> None:
        place.claim()
        if not place.data.exists():
            _initialise(plan, place, env)
        evict(place.data)
        place.write(place.data / "postgresql.conf", _CONFIGURATION.format(port=port))
        place.write(place.data / "pg_hba.conf", _ACCESS)
        own = place.data / "postgresql.local.conf"
        if not own.exists():
            place.write(own, "# Your own settings; they win over those of postgresql.conf.\n")

    def ready() -> bool:
        try:
            with _superuser(plan, "postgres"):
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" not in str(error):
                raise
        raise BundleError(
            f"PostgreSQL does not take the password in {plan.home.keys}: that file is not the one "
            "this database was made with. Restore it, or start with another CLOZONE_HOME."
        )

    return ProcessSpec(
        name="postgres",
        command=(str(place.program("postgres")), "-D", str(place.data)),
        env=env,
        folder=place.folder,
        log=plan.home.log("postgres"),
        port=port,
        account=place.account,
        stop_signal=signal.SIGINT,
        grace_seconds=30.0,
        ready=ready,
        prepare=prepare,
        finish=lambda: _provide_database(plan),
    )


def postgres_url(plan: Plan, user: str, database: str = DATABASE) -> str:
    """The address of `database` for one of the three logins, with its password."""
    return f"postgresql://{user}:{_password(plan, user)}@{plan.address('postgres')}/{database}"


def _password(plan: Plan, user: str) -> str:
    return {
        SUPERUSER: plan.keys.postgres_superuser_password,
        OWNER: plan.keys.postgres_owner_password,
        APPLICATION: plan.keys.postgres_app_password,
    }[user]


def _initialise(plan: Plan, place: PostgresPlace, env: dict[str, str]) -> None:
    # Beside its final place, so that an interrupted attempt is never taken for a database.
    draft = place.data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    password = place.data.with_name("password")
    place.write(password, plan.keys.postgres_superuser_password)
    try:
        run_once(
            "initdb",
            (
                *(str(place.program("initdb")), "-D", str(draft), "-U", SUPERUSER),
                *("--pwfile", str(password), "--auth=scram-sha-256", "--encoding=UTF8"),
                # The same order and case rules on every machine.
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                "--no-instructions",
            ),
            env=env,
            folder=place.folder,
            log=plan.home.log("postgres"),
            account=place.account,
        )
    finally:
        password.unlink(missing_ok=True)
    draft.rename(place.data)


@contextmanager
def _superuser(plan: Plan, database: str) -> Iterator[psycopg.Connection]:
    url = postgres_url(plan, SUPERUSER, database)
    with psycopg.connect(url, connect_timeout=3, autocommit=True) as connection:
        yield connection


def _provide_database(plan: Plan) -> None:
    with _superuser(plan, "postgres") as connection:
        _provide_login(connection, OWNER, "CREATEROLE", _password(plan, OWNER))
        # It may become the two roles of the units of work, and has none of their rights itself.
        _provide_login(connection, APPLICATION, "NOINHERIT", _password(plan, APPLICATION))
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )
    with _superuser(plan, DATABASE) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _provide_login(
    connection: psycopg.Connection, name: str, attribute: str, password: str
) -> None:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
            sql.SQL("ALTER" if found else "CREATE"),
            sql.Identifier(name),
            sql.SQL(attribute),
            sql.Literal(password),
        )
    )
