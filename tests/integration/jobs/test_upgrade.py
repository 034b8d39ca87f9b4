"""A ledger of the former version, with work in it, goes on after the migration."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from peewee import PostgresqlDatabase
from playhouse.migrations import Runner

from clozone.kit.ids import new_id
from clozone.models.schema import MIGRATIONS

FORMER = "0001_initial"
NAME = "clozone_upgrade"


@pytest.fixture
def former(environment: dict[str, str]) -> Iterator[PostgresqlDatabase]:
    """A database of the former version, owned as in production."""
    with psycopg.connect(environment["SUPERUSER_URL"], autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME} OWNER clozone_owner")
    url = f"{environment['DATABASE_MIGRATE_URL'].rpartition('/')[0]}/{NAME}"
    database = PostgresqlDatabase(url, prefer_psycopg3=True)
    with database.connection_context():
        Runner(database, str(MIGRATIONS)).up(FORMER)
        yield database


@pytest.fixture
def all_rows(environment: dict[str, str], former: object) -> Iterator[psycopg.Connection]:
    """The superuser's connection to it, which sees every row."""
    url = f"{environment['SUPERUSER_URL'].rpartition('/')[0]}/{NAME}"
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def add(rows: psycopg.Connection, state: str, run_in: str, *, started: bool = False) -> UUID:
    job_id = new_id()
    rows.execute(
        """
        INSERT INTO jobs (id, kind, queue, payload, state, run_at, attempt, failures, lost,
          max_attempts, created_at, started_at)
        VALUES (%s, 'test.probe', 'bulk', '{}', %s, now() + %s::interval, 1, 0, 0, 3, now(),
          CASE WHEN %s THEN now() END)
        """,
        (job_id, state, run_in, started),
    )
    return job_id


def test_running_and_delayed_jobs_are_carried_over(
    former: PostgresqlDatabase, all_rows: psycopg.Connection
) -> None:
    running = add(all_rows, "running", "0", started=True)
    all_rows.execute(
        """INSERT INTO job_attempts (id, job_id, attempt, worker, outcome, started_at)
        VALUES (%s, %s, 1, 'w', 'running', now())""",
        (new_id(), running),
    )
    due, delayed = add(all_rows, "queued", "0"), add(all_rows, "queued", "1 hour")

    Runner(former, str(MIGRATIONS)).up()

    found = {
        job_id: (state, begun)
        for job_id, state, begun in all_rows.execute(
            "SELECT id, state, claimed_at IS NOT NULL FROM jobs"
        )
    }
    assert found == {
        running: ("running", True),
        due: ("queued", False),
        delayed: ("scheduled", False),
    }
    assert all_rows.execute("SELECT count(*) FROM job_attempts").fetchone() == (0,)
