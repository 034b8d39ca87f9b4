"""Migrations that build indexes beside everything else: broken off, begun twice, waited for."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from peewee import PostgresqlDatabase
from playhouse.migrations import Runner

from clozone.models.schema import MIGRATIONS

NAME = "clozone_indexes"
FORMER = "0008_running_totals"
INDEXES = (
    "idx_training_sessions_assignment_id",
    "idx_training_sessions_closed",
    "idx_training_sessions_submitted",
    "training_sessions_template_created",
    "training_sessions_org_status",
    "training_sessions_failed",
    "jobs_dead",
)


@pytest.fixture
def rows(environment: dict[str, str]) -> Iterator[psycopg.Connection]:
    """The superuser's connection to an empty database of its own."""
    with psycopg.connect(environment["SUPERUSER_URL"], autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME} OWNER clozone_owner")
    url = f"{environment['SUPERUSER_URL'].rpartition('/')[0]}/{NAME}"
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def _owners_url(environment: dict[str, str]) -> str:
    return f"{environment['DATABASE_MIGRATE_URL'].rpartition('/')[0]}/{NAME}"


def _found(rows: psycopg.Connection) -> dict[str, bool]:
    """Index → whether it is valid."""
    return dict(
        rows.execute(
            """
            SELECT indexrelid::regclass::text, indisvalid FROM pg_index
            WHERE indrelid IN ('training_sessions'::regclass, 'jobs'::regclass)"""
        ).fetchall()
    )


def test_a_build_that_was_broken_off_is_taken_up_again(
    environment: dict[str, str], rows: psycopg.Connection
) -> None:
    database = PostgresqlDatabase(_owners_url(environment), prefer_psycopg3=True)
    with database.connection_context():
        Runner(database, str(MIGRATIONS)).up(FORMER)
        # Once while an index was being built, once between giving up the old one and its name.
        rows.execute("CREATE INDEX jobs_dead ON jobs (kind)")
        rows.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobs_dead'::regclass"
        )
        rows.execute("ALTER INDEX idx_training_sessions_closed RENAME TO a_name_of_the_past")
        rows.execute(
            """CREATE INDEX idx_training_sessions_closed_new ON training_sessions
            (org_id, closed, created_at DESC, id DESC) WHERE closed IS NOT NULL"""
        )
        rows.execute("DROP INDEX a_name_of_the_past")

        Runner(database, str(MIGRATIONS)).up()

    found = _found(rows)
    assert {name: found.get(name) for name in INDEXES} == dict.fromkeys(INDEXES, True)
    assert [name for name in found if name.endswith("_new")] == []
    (definition,) = rows.execute("SELECT pg_get_indexdef('jobs_dead'::regclass)").fetchone() or ()
    assert "(id) WHERE" in definition


def test_two_migrations_at_once_do_not_wait_for_each_other_for_ever(
    environment: dict[str, str], rows: psycopg.Connection
) -> None:
    """The second waits for the first, whose index waits for every statement that has begun."""
    own = {
        "DATABASE_MIGRATE_URL": _owners_url(environment),
        "DATABASE_URL": f"{environment['DATABASE_URL'].rpartition('/')[0]}/{NAME}",
    }
    first, second = (
        subprocess.Popen(
            [sys.executable, "-m", "clozone", "migrate"],
            env=os.environ | environment | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    )
    said = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert {name: _found(rows).get(name) for name in INDEXES} == dict.fromkeys(INDEXES, True)


def test_what_is_as_it_should_be_is_not_built_again(
    environment: dict[str, str], rows: psycopg.Connection
) -> None:
    def built() -> dict[str, int]:
        return dict(
            rows.execute(
                "SELECT relname, oid FROM pg_class WHERE relname = ANY(%s)", ([*INDEXES],)
            ).fetchall()
        )

    database = PostgresqlDatabase(_owners_url(environment), prefer_psycopg3=True)
    with database.connection_context():
        Runner(database, str(MIGRATIONS)).up()
        before = built()
        rows.execute("DELETE FROM schema_migration WHERE name > %s", (FORMER,))
        Runner(database, str(MIGRATIONS)).up()
    assert built() == before
    assert before.keys() == set(INDEXES)
