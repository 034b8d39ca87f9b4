"""A page deep in a list costs what the first one costs: keyset, not counting."""

import re
from collections.abc import Callable

import psycopg
import pytest
from tests.support.plans import Plan, plans_of
from tests.support.practice import Practice

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.kit.pagination import Position
from clozone.sessions import repository
from clozone.sessions.schemas import SessionQuery
from clozone.settings import Settings

SESSIONS = 30_000
PAGE = 25
DEEP = 1_000

FILL = """
INSERT INTO training_sessions (id, org_id, user_id, template_id, rubric_id, status,
  submitted_for_review, closed, recording_state, created_at, updated_at)
SELECT uuidv7(), %(org)s, %(rep)s, %(template)s, %(rubric)s, 'completed', true, true, 'none',
  now() - n * interval '1 minute', now() FROM generate_series(1, %(sessions)s) n"""
FILTERS = [{}, {"template_id": True}, {"submitted_for_review": True}, {"closed": True}]


@pytest.fixture(scope="module")
def busy(platform_db: None, settings: Settings) -> Practice:
    """An organisation with 1,200 pages of sessions, which a vacuum has seen as any table has."""
    practice = Practice()
    facts = {
        "org": practice.org_id,
        "rep": practice.rep,
        "template": practice.templates[0],
        "rubric": practice.rubrics[0],
        "sessions": SESSIONS,
    }
    with unit_of_work(Scope.platform()):
        database.execute_sql(FILL, facts)
    owner = settings.database_migrate_url
    assert owner is not None
    with psycopg.connect(owner.get_secret_value(), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE training_sessions")
    return practice


def _position(busy: Practice, page: int) -> Position:
    with unit_of_work(busy.scope):
        row = database.execute_sql(
            "SELECT created_at, id FROM training_sessions ORDER BY created_at DESC, id DESC "
            "LIMIT 1 OFFSET %s",
            (page * PAGE - 1,),
        ).fetchone()
    return Position(*row)


def _buffers(plan: Plan) -> int:
    """8 KB pages that the whole statement touched."""
    line = next(line for line in plan.text.splitlines() if "Buffers: shared" in line)
    return sum(int(n) for n in re.findall(r"(?:hit|read)=(\d+)", line))


@pytest.mark.parametrize("names", FILTERS, ids=lambda names: next(iter(names), "everything"))
@pytest.mark.parametrize("own", [False, True], ids=["organisation", "rep"])
def test_page_1000_reads_as_much_as_page_1(
    busy: Practice,
    names: dict[str, object],
    own: bool,
    record_property: Callable[[str, object], None],
) -> None:
    filters = names | ({"template_id": busy.templates[0]} if "template_id" in names else {})
    query = SessionQuery.model_validate(filters | {"limit": PAGE})
    owner = busy.rep if own else None
    costs = []
    for after in (_position(busy, 1), _position(busy, DEEP)):

        def page(after: Position = after) -> None:
            assert len(repository.session_page(query, owner, after)) == PAGE + 1

        page_plans = [plans_of(busy.scope, page, "OFF, ANALYZE, BUFFERS, TIMING OFF") for _ in "12"]
        # The second time, when what the planner reads for itself is there.
        costs.append(_buffers(page_plans[1][0]))
    first, deep = costs
    record_property("buffers", f"page 1: {first}, page {DEEP}: {deep}")
    assert abs(deep - first) <= 0.2 * first, (first, deep)
