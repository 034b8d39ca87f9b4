"""A rollup of the former version, a row for each day, becomes running totals that equal a recount."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from peewee import PostgresqlDatabase, ProgrammingError
from playhouse.migrations import Runner
from tests.support.command import command_in

from clozone.infra.postgres import database, unit_of_work
from clozone.models.schema import MIGRATIONS
from clozone.sessions.rollup import CONTRIBUTIONS, EVERY_TEMPLATE, EVERYONE, SUMS

FORMER = "0007_held_deliveries"
NAME = "clozone_rollup_upgrade"

# Two organisations, people and templates, sessions on scattered days in every state.
FILL = """
INSERT INTO organizations SELECT gen_random_uuid(), 'Acme', now() FROM generate_series(1, 2);
INSERT INTO profiles (id, org_id, email, full_name, role, active, created_at, updated_at)
SELECT gen_random_uuid(), o.id, gen_random_uuid() || '@example.com', 'Rep', 'rep', true, now(), now()
FROM organizations o, generate_series(1, 3);
WITH t AS (
  INSERT INTO templates (id, org, user_id, rubric_id, name, description, scenario, first_message,
    created_at, updated_at)
  SELECT gen_random_uuid(), p.org_id, p.id, gen_random_uuid(), 'T', '', '', '', now(), now()
  FROM profiles p RETURNING *)
INSERT INTO rubrics (id, org_id, template_id, version, body, content_hash, created_at)
SELECT rubric_id, org, id, 1, '{"pass_score": 70}', '', now() FROM t;
INSERT INTO training_sessions (id, org_id, user_id, template_id, rubric_id, status, closed,
  duration_seconds, metrics, call_cost_microdollars, submitted_for_review, created_at, updated_at,
  deleted_at)
SELECT gen_random_uuid(), p.org_id, p.id, CASE WHEN n % 5 > 0 THEN t.id END, t.rubric_id,
  (ARRAY['completed', 'not_gradable', 'processing', 'failed'])[1 + n % 4], n % 3 = 0, n * 1.25,
  CASE WHEN n % 2 = 0 THEN '{"talk_ratio": 0.414}'::jsonb END, n * 1000, false,
  timestamptz '2026-03-01 00:00Z' + (n * n % 97) * interval '11 hours', now(),
  CASE WHEN n % 11 = 0 THEN now() END
FROM generate_series(1, 60) n, profiles p JOIN templates t ON t.user_id = p.id;
INSERT INTO session_grades (id, org_id, session_id, user_id, template_id, rubric_id, score, passed,
  blockers, criteria, evidence, summary, strengths, next_steps, better_lines, language, model,
  prompt_version, override_score, created_at, updated_at)
SELECT gen_random_uuid(), org_id, id, user_id, template_id, rubric_id, score, score >= 70, '[]',
  '[]', '{}', '', '[]', '[]', '[]', 'en', 'm', '1', CASE WHEN score % 3 = 0 THEN 75 END, now(), now()
FROM (SELECT *, (call_cost_microdollars / 1000 * 7 % 101)::int AS score FROM training_sessions
  WHERE status = 'completed' AND template_id IS NOT NULL) s;
"""

# The former rollup as the former version kept it.
FORMER_ROLLUP = f"""
INSERT INTO daily_stats (org_id, day, user_id, template_id, {", ".join(SUMS)}, score_counts)
SELECT org_id, day, user_id, template_id, {", ".join(f"sum({name})" for name in SUMS)},
  ARRAY[{", ".join(f"count(*) FILTER (WHERE score = {score})" for score in range(101))}]
FROM ({CONTRIBUTIONS}) c GROUP BY org_id, day, user_id, template_id
"""


@pytest.fixture
def names(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a database of its own."""
    with psycopg.connect(environment["SUPERUSER_URL"], autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME} OWNER clozone_owner")
    urls = ("DATABASE_URL", "DATABASE_MIGRATE_URL", "SUPERUSER_URL")
    return environment | {name: f"{environment[name].rpartition('/')[0]}/{NAME}" for name in urls}


@pytest.fixture
def all_rows(names: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """The superuser's connection to a database of the former version, which sees every row."""
    former = PostgresqlDatabase(names["DATABASE_MIGRATE_URL"], prefer_psycopg3=True)
    with former.connection_context():
        Runner(former, str(MIGRATIONS)).up(FORMER)
    with psycopg.connect(names["SUPERUSER_URL"], autocommit=True) as connection:
        yield connection


def test_totals_made_of_the_former_rows_are_a_recount(names, all_rows):
    all_rows.execute(FILL)
    all_rows.execute(FORMER_ROLLUP)
    former = all_rows.execute(
        "SELECT org_id, sum(sessions), sum(graded), sum(score_sum), count(DISTINCT day)"
        " FROM daily_stats GROUP BY org_id ORDER BY org_id"
    ).fetchall()
    clozone = command_in(names)

    clozone("migrate")

    assert "equals a recount" in clozone("analytics", "verify").stdout
    everything = all_rows.execute(
        "SELECT org_id, max(sessions), max(graded), max(score_sum), count(*) FROM daily_stats"
        " WHERE user_id = %s AND template_id = %s GROUP BY org_id ORDER BY org_id",
        (EVERYONE, EVERY_TEMPLATE),
    ).fetchall()
    assert everything == former
    assert len(former) == 2


def test_an_installation_without_sessions_is_brought_up_to_date(names, all_rows):
    command_in(names)("migrate")
    assert all_rows.execute("SELECT count(*) FROM daily_stats").fetchone() == (0,)


# As `clozone migrate` of the former version left it.
FORMER_GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public
  TO clozone_tenant, clozone_platform
"""
TOTALS = "0008_running_totals"


def upgrade(names: dict[str, str]) -> None:
    """Migration 0008 alone, as when the next one is held up."""
    database = PostgresqlDatabase(names["DATABASE_MIGRATE_URL"], prefer_psycopg3=True)
    with database.connection_context():
        Runner(database, str(MIGRATIONS)).up(TOTALS)


@pytest.mark.parametrize("granted", [True, False], ids=["an old database", "a new one"])
def test_the_totals_can_be_read_and_written_before_the_migrations_after_it(
    names, all_rows, granted
):
    all_rows.execute(FILL)
    all_rows.execute(FORMER_ROLLUP)
    if granted:
        all_rows.execute(FORMER_GRANTS)
    upgrade(names)
    (org,) = all_rows.execute("SELECT id FROM organizations ORDER BY id LIMIT 1").fetchone()
    for role in ("clozone_tenant", "clozone_platform"):
        with psycopg.connect(names["DATABASE_URL"]) as login:
            login.execute(f"SET LOCAL ROLE {role}")
            login.execute("SELECT set_config('clozone.org_id', %s, true)", (str(org),))
            changed = login.execute(
                "UPDATE daily_stats SET graded = graded WHERE org_id = %s", (org,)
            )
            assert changed.rowcount > 0
            assert login.execute("SELECT roll_up()").fetchall() == []
            report = "SELECT * FROM analytics_report(%s, %s, '2026-03-01', '2026-04-30')"
            if role == "clozone_tenant":
                assert login.execute(report, (org, EVERYONE)).fetchall()


def test_the_migration_leaves_its_login_no_role_that_it_had_not(names, all_rows):
    def memberships():
        return all_rows.execute(
            "SELECT roleid, member, grantor, set_option FROM pg_auth_members ORDER BY 1, 2, 3"
        ).fetchall()

    before = memberships()
    upgrade(names)
    assert memberships() == before


def test_figures_are_read_while_the_totals_are_made(names, all_rows):
    all_rows.execute(FILL)
    all_rows.execute(FORMER_ROLLUP)
    all_rows.execute("SET lock_timeout = '1s'")
    with psycopg.connect(names["SUPERUSER_URL"]) as holder:
        # Every new row is checked against its organisation: here the filling stands still.
        holder.execute("SELECT FROM organizations FOR UPDATE")
        migration = threading.Thread(target=upgrade, args=(names,))
        migration.start()
        while not all_rows.execute(
            "SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
            " AND query LIKE '%%INSERT INTO daily_stats_new%%'",
            (NAME,),
        ).fetchall():
            assert migration.is_alive()
        assert all_rows.execute("SELECT count(*) > 0 FROM daily_stats").fetchone() == (True,)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            all_rows.execute("UPDATE daily_stats SET graded = 0")
    migration.join()
    assert all_rows.execute(
        "SELECT name FROM schema_migration WHERE name = %s", (TOTALS,)
    ).fetchall()


# What the former version sends.
SUMMED = ", ".join(f"sum(d.{name})" for name in SUMS)
FORMER_STATEMENTS = {
    "writes": f"""
      INSERT INTO daily_stats AS d (org_id, day, user_id, template_id, {", ".join(SUMS)}, score_counts)
      SELECT org_id, day, user_id, template_id, {", ".join("1" for _ in SUMS)}, array_fill(1, ARRAY[101])
      FROM daily_stats LIMIT 1
      ON CONFLICT (org_id, day, user_id, template_id) DO UPDATE
      SET sessions = d.sessions + excluded.sessions, score_counts = excluded.score_counts""",
    "reads scores": "SELECT ARRAY[sum(d.score_counts[1])] FROM daily_stats d",
    "ranks": f"SELECT d.user_id, {SUMMED}, ARRAY[sum(d.score_counts[1])] FROM daily_stats d GROUP BY 1",
}


@pytest.mark.parametrize("statement", FORMER_STATEMENTS.values(), ids=FORMER_STATEMENTS)
def test_a_process_of_the_former_version_fails_and_changes_nothing(practice, statement):
    practice.graded(64)
    before = practice.rollup()
    with (
        pytest.raises(ProgrammingError, match="score_counts"),
        unit_of_work(practice.scope),
    ):
        database.execute_sql(statement)
    assert practice.rollup() == before != {}
