"""A rollup of the former version, a row for each day, becomes running totals that equal a recount."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from peewee import PostgresqlDatabase
from playhouse.migrations import Runner
from tests.support.command import command_in

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
