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
from clozone.local.postgres_configuration import write_configuration
from clozone.local.postgres_eviction import evict
from clozone.local.postgres_place import PostgresPlace, find_place
from clozone.local.spec import ProcessSpec

DATABASE = "clozone"
SUPERUSER = "postgres"
OWNER = "clozone_owner"
APPLICATION = "clozone_app"


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
        write_configuration(place, port)

    def ready() -> bool:
        try:
            with superuser_connection(plan):
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


def postgres_url(plan: Plan, user: str, database: str = DATABASE, server: str = "postgres") -> str:
    """The address of `database` for one of the three logins, with its password."""
    return f"postgresql://{user}:{_password(plan, user)}@{plan.address(server)}/{database}"


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
def superuser_connection(
    plan: Plan, database: str = "postgres", server: str = "postgres"
) -> Iterator[psycopg.Connection]:
    """The superuser on a server of the bundle."""
    url = postgres_url(plan, SUPERUSER, database, server)
    with psycopg.connect(url, connect_timeout=3, autocommit=True) as connection:
        yield connection


def _provide_database(plan: Plan) -> None:
    with superuser_connection(plan) as connection:
        provide_login(connection, OWNER, "CREATEROLE", _password(plan, OWNER))
        # It may become the two roles of the units of work, and has none of their rights itself.
        provide_login(connection, APPLICATION, "NOINHERIT", _password(plan, APPLICATION))
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )
    with superuser_connection(plan, DATABASE) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def provide_login(connection: psycopg.Connection, name: str, attribute: str, password: str) -> None:
    """Make sure that a login exists, with this attribute and password."""
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
            sql.SQL("ALTER" if found else "CREATE"),
            sql.Identifier(name),
            sql.SQL(attribute),
            sql.Literal(password),
        )
    )
