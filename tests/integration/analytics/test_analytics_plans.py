"""What the analytics read: the rollup by its primary key, no session, no table from end to end."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.support.practice import ALL, Practice

from clozone.analytics import recount
from clozone.infra.postgres import Scope, database, unit_of_work

DAYS = 120
PEOPLE = 40
TEMPLATES = 40

PEOPLE_AND_TEMPLATES = """
WITH p AS (
  INSERT INTO profiles (id, org_id, email, full_name, role, active, created_at, updated_at)
  SELECT uuidv7(), %(org)s, uuidv7() || '@example.com', 'Rep ' || n, 'rep', true, now(), now()
  FROM generate_series(1, %(people)s) n)
INSERT INTO templates (id, org, user_id, rubric_id, name, description, scenario, first_message,
  created_at, updated_at)
SELECT uuidv7(), %(org)s, %(rep)s, %(rubric)s, 'T', '', 's', '', now(), now()
FROM generate_series(1, %(templates)s) n"""
SESSIONS = """
WITH people AS (SELECT id, row_number() OVER () - 1 AS place FROM profiles WHERE org_id = %(org)s),
  offers AS (SELECT id, row_number() OVER () - 1 AS place FROM templates WHERE org = %(org)s)
INSERT INTO training_sessions (id, org_id, user_id, template_id, rubric_id, status,
  submitted_for_review, created_at, updated_at)
SELECT uuidv7(), %(org)s, people.id, offers.id, %(rubric)s, 'not_gradable', false,
  date_trunc('day', now()) - n %% %(days)s * interval '1 day', now()
FROM generate_series(1, %(sessions)s) n
JOIN people ON people.place = n %% 7 JOIN offers ON offers.place = n %% 3"""

QUESTIONS = {
    "the report": "analytics_report(%(org)s, %(all)s, %(first)s, %(last)s)",
    "a person's report": "analytics_report(%(org)s, %(rep)s, %(first)s, %(last)s)",
    "the people": "analytics_users(%(org)s, %(first)s, %(last)s, 26)",
    "the templates": "analytics_templates(%(org)s, %(all)s, %(first)s, %(last)s, 26)",
    "a person's templates": "analytics_templates(%(org)s, %(rep)s, %(first)s, %(last)s, 26)",
}


class Plans:
    """The plans of the statements inside a function, with what they read."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._seen: list[dict[str, Any]] = []
        connection.execute("LOAD 'auto_explain'")
        for name, value in {
            "auto_explain.log_min_duration": "0",
            "auto_explain.log_nested_statements": "on",
            "auto_explain.log_analyze": "on",
            "auto_explain.log_buffers": "on",
            "auto_explain.log_format": "json",
            "client_min_messages": "log",
        }.items():
            connection.execute(f"SET {name} = {value}")
        connection.add_notice_handler(self._note)

    def of(self, question: str, practice: Practice) -> list[dict[str, Any]]:
        """The nodes of the plans, the outer ones first."""
        (today,) = self._connection.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchone()
        facts = {"org": practice.org_id, "rep": practice.rep, "all": ALL}
        with self._connection.transaction():
            # A plan that is kept is made without the values, at the sixth time at the latest.
            for _ in range(7):
                self._seen.clear()
                self._connection.execute(
                    f"SELECT * FROM {QUESTIONS[question]}",
                    facts | {"first": today.replace(day=1), "last": today},
                )
        return [node for plan in self._seen for node in nodes(plan)]

    def _note(self, notice: Any) -> None:
        _, found, plan = notice.message_primary.partition("plan:\n")
        if found and "daily_stats" in plan:
            self._seen.append(json.loads(plan)["Plan"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


@pytest.fixture
def plans(environment: dict[str, str]) -> Iterator[Plans]:
    server = environment["SUPERUSER_URL"].rpartition("/")[0]
    name = environment["DATABASE_URL"].rpartition("/")[2]
    with psycopg.connect(f"{server}/{name}", autocommit=True) as connection:
        yield Plans(connection)


def practice_with(sessions: int) -> Practice:
    """An organisation with so many sessions of the same people on the same days."""
    practice = Practice()
    facts = {
        "org": practice.org_id,
        "rep": practice.rep,
        "rubric": practice.rubrics[0],
        "people": PEOPLE,
        "templates": TEMPLATES,
        "days": DAYS,
        "sessions": sessions,
    }
    with unit_of_work(Scope.platform()):
        database.execute_sql(PEOPLE_AND_TEMPLATES, facts)
        database.execute_sql(SESSIONS, facts)
        recount.rebuild(practice.org_id)
    return practice


@pytest.fixture(scope="module")
def busy(platform_db: None) -> Practice:
    return practice_with(DAYS * 21)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_rollup_is_read_by_its_primary_key_and_nothing_from_end_to_end(plans, busy, question):
    found = plans.of(question, busy)
    scans = {node["Relation Name"]: node for node in found if "Relation Name" in node}
    names = {"the people": {"profiles"}, "the templates": {"templates"}}
    named = names.get(question.replace("a person's", "the"), set())
    assert scans.keys() == {"daily_stats"} | named
    for node in found:
        if node.get("Relation Name") == "daily_stats":
            assert node["Index Name"] == "daily_stats_pkey"
            for column in ("org_id", "user_id", "template_id", "day"):
                assert f"{column} " in node["Index Cond"]
    # One statement, and so one state of the rollup.
    assert len([node for node in found if "Parent Relationship" not in node]) == 1
    assert not {"Seq Scan", "Bitmap Heap Scan"} & {node["Node Type"] for node in found}


@pytest.mark.parametrize("question", QUESTIONS)
def test_ten_times_the_sessions_cost_no_more_pages(plans, busy, question):
    def pages(practice):
        found = plans.of(question, practice)
        assert any(node["Actual Rows"] > 0 for node in found)
        roots = [node for node in found if "Parent Relationship" not in node]
        return sum(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in roots)

    few, many = pages(busy), pages(practice_with(DAYS * 210))
    # Where rows begin on a page is chance.
    assert many <= few * 1.1 + 4
    assert few > 0
