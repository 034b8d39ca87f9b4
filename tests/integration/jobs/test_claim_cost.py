"""A claim touches a few pages, however many jobs wait, and whenever its session made its plans."""

from collections.abc import Iterator
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
import pytest

from clozone.infra.postgres import dedicated_connection
from clozone.kit.ids import new_id

FEW, MANY = 30, 30_000
# The index has some 300 pages with many, and a level more than with few.
MARGIN = 60
# From its sixth time on a statement may keep its plan; the first time also reads the catalogue.
SETTLED = 10
OWN_LEDGER = """
SET ROLE clozone_platform;
CREATE TEMPORARY TABLE jobs (LIKE public.jobs INCLUDING ALL);
"""

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"


@pytest.fixture
def connection(platform_db: None) -> Iterator[Connection]:
    """A session in front of whose ledger stands an empty one of its own."""
    connection = dedicated_connection()
    connection.execute(OWN_LEDGER)
    yield connection
    connection.close()


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("at_the_start", [True, False])
def test_what_a_claim_touches_does_not_grow_with_what_waits(
    connection: Connection, at_the_start: bool, mode: str
) -> None:
    connection.execute("SELECT set_config('plan_cache_mode', %s, false)", (mode,))
    org_id = new_id()
    after = None if at_the_start else org_id
    _add(connection, org_id, FEW + SETTLED)
    # The last word about this table: nobody comes to analyse it again.
    connection.execute("ANALYZE jobs")
    few = [_pages(connection, after) for _ in range(SETTLED)][-1]
    _add(connection, org_id, MANY)
    assert _pages(connection, after) < few + MARGIN


def _add(connection: Connection, org_id: UUID, jobs: int) -> None:
    connection.execute(
        """
        INSERT INTO jobs (id, org_id, turn_of, kind, queue, payload, state, run_at, attempt, failures,
          lost, max_attempts, created_at)
        SELECT uuidv7(), %s, %s, 'test.cost', 'bulk', '{}', 'queued', now(), 0, 0, 0, 3, now()
        FROM generate_series(1, %s)
        """,
        (org_id, org_id, jobs),
    )


def _pages(connection: Connection, after: UUID | None) -> int:
    """The pages that a claim of one job touches."""
    row = connection.execute(
        """
        EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM
          claim_turn('bulk', '{test.cost}', '{1}', '{null}', %s, 'test', '1 minute')
        """,
        (after,),
    ).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    assert plan["Actual Rows"] == 1
    return sum(
        plan[f"{place} {way} Blocks"] for place in ("Shared", "Local") for way in ("Hit", "Read")
    )
