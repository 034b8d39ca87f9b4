"""The indexes of the seed, in use: what the repositories ask is explained on tables with rows."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.support.plans import plans_of
from tests.support.practice import Practice

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.sessions import repository
from clozone.sessions.schemas import SessionQuery
from clozone.settings import Settings
from clozone.training.repository import templates

SESSIONS = 20_000
PEOPLE = 50
TEMPLATES = 500
RARE = 1_000  # one row in so many

FILL = [
    """
    INSERT INTO profiles (id, org_id, email, full_name, role, active, created_at, updated_at)
    SELECT uuidv7(), %(org)s, uuidv7() || '@example.com', 'Rep ' || n, 'rep', true, now(), now()
    FROM generate_series(1, %(people)s) n""",
    """
    WITH people AS (SELECT id, row_number() OVER () - 1 AS place FROM profiles WHERE org_id = %(org)s)
    INSERT INTO templates (id, org, user_id, rubric_id, name, description, scenario, first_message,
      created_at, updated_at)
    SELECT uuidv7(), %(org)s, people.id, %(rubric)s, 'T', '', 's', '', now(), now()
    FROM generate_series(1, %(templates)s) n JOIN people ON place = n %% (SELECT count(*) FROM people)""",
    """
    WITH people AS (SELECT id, row_number() OVER () - 1 AS place FROM profiles WHERE org_id = %(org)s)
    INSERT INTO training_sessions (id, org_id, user_id, template_id, rubric_id, assignment_id,
      status, closed, submitted_for_review, created_at, updated_at)
    SELECT uuidv7(), %(org)s, people.id, %(template)s, %(rubric)s,
      CASE WHEN n %% %(rare)s = 0 THEN %(assignment)s::uuid END, 'completed',
      CASE WHEN n %% %(rare)s = 0 THEN true END, n %% %(rare)s = 0,
      now() - n * interval '1 minute', now()
    FROM generate_series(1, %(sessions)s) n JOIN people ON place = n %% (SELECT count(*) FROM people)""",
    """
    INSERT INTO session_grades (id, org_id, session_id, user_id, template_id, rubric_id, score,
      passed, blockers, criteria, evidence, summary, strengths, next_steps, better_lines, language,
      model, prompt_version, created_at, updated_at)
    SELECT uuidv7(), org_id, id, user_id, template_id, rubric_id, 70, true, '[]', '[]', '{}', '',
      '[]', '[]', '[]', '', 'offline-rules', '1', created_at, now()
    FROM training_sessions WHERE org_id = %(org)s""",
]


@pytest.fixture(scope="module")
def crowd(platform_db: None, settings: Settings) -> Practice:
    """Two organisations with many sessions each; the first of them."""
    crowds = [Practice(), Practice()]
    for practice in crowds:
        facts = {
            "org": practice.org_id,
            "people": PEOPLE,
            "templates": TEMPLATES,
            "sessions": SESSIONS,
            "rare": RARE,
            "template": practice.templates[0],
            "rubric": practice.rubrics[0],
            "assignment": practice.assignment(practice.rep),
        }
        with unit_of_work(Scope.platform()):
            for statement in FILL:
                database.execute_sql(statement, facts)
    owner = settings.database_migrate_url
    assert owner is not None
    with psycopg.connect(owner.get_secret_value(), autocommit=True) as connection:
        connection.execute("ANALYZE")
    return crowds[0]


@pytest.fixture
def plan_of(crowd: Practice) -> Callable[..., str]:
    """Runs a repository function for the organisation, and explains what it asked."""

    def plan_of(function: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        (plan,) = plans_of(crowd.scope, lambda: function(*arguments, **named))
        return plan.text

    return plan_of


def query(**filters: Any) -> SessionQuery:
    return SessionQuery.model_validate(filters)


@pytest.fixture
def someone(crowd: Practice) -> Any:
    """A rep with many sessions, one of them."""
    with unit_of_work(crowd.scope):
        (page,) = [repository.session_page(query(limit=1), None, None)]
        return page[0]


def test_the_newest_sessions_of_an_organisation(plan_of):
    plan = plan_of(repository.session_page, query(), None, None)
    assert "Index Scan using idx_training_sessions_org_id_created" in plan


def test_a_page_deep_in_the_list_starts_in_the_index(plan_of, crowd):
    with unit_of_work(crowd.scope):
        last = repository.session_page(query(limit=100), None, None)[-1]
    position = repository.Position(last["created_at"], last["id"])
    plan = plan_of(repository.session_page, query(), None, position)
    assert "Index Scan using idx_training_sessions_org_id_created" in plan
    assert "created_at <=" in plan.partition("Index Cond:")[2].partition("\n")[0]


def test_a_reps_own_sessions(plan_of, someone):
    plan = plan_of(repository.session_page, query(), someone["user_id"], None)
    assert "idx_training_sessions_user_id_created" in plan


def test_the_sessions_of_an_assignment(plan_of, crowd):
    with unit_of_work(crowd.scope):
        (assignment_id,) = database.execute_sql("SELECT id FROM assignments").fetchone()
    plan = plan_of(repository.session_page, query(assignment_id=assignment_id), None, None)
    assert "idx_training_sessions_assignment_id" in plan


def test_the_closed_deals(plan_of):
    assert "idx_training_sessions_closed" in plan_of(
        repository.session_page, query(closed=True), None, None
    )


def test_what_waits_for_review(plan_of):
    assert "idx_training_sessions_submitted" in plan_of(
        repository.session_page, query(submitted_for_review=True), None, None
    )


def test_the_grade_of_a_session(plan_of, someone):
    plan = plan_of(repository.session_detail, someone["id"])
    assert "Index Scan using idx_session_grades_session_id" in plan


def test_a_reps_grade_before_this_one(plan_of, someone):
    plan = plan_of(repository.session_detail, someone["id"])
    assert "Index Scan using idx_session_grades_user_id_created" in plan


def test_the_templates_of_a_person(plan_of, someone):
    plan = plan_of(templates.page, None, 25, archived=False, created_by=someone["user_id"])
    assert "idx_templates_org_user" in plan


def test_no_page_reads_a_table_from_end_to_end(plan_of, someone):
    for only_user in (None, someone["user_id"]):
        plan = plan_of(repository.session_page, query(), only_user, None)
        assert "Seq Scan on training_sessions" not in plan
        assert "Seq Scan on session_grades" not in plan
