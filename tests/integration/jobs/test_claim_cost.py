"""A claim touches a few pages, however many jobs wait."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from job_probe import Probe

from clozone.infra.postgres import Scope, database, dedicated_connection, unit_of_work

FEW, MANY = 100, 30_000
# The index has some 300 pages with many, and a level more than with few.
MARGIN = 60
# The first claim of a session also reads the catalogue.
TIMES = 3


@pytest.mark.parametrize("at_the_start", [True, False])
def test_what_a_claim_touches_does_not_grow_with_what_waits(
    probe: Probe, at_the_start: bool
) -> None:
    after = None if at_the_start else probe.org_id
    connection = dedicated_connection()
    try:
        # What a session may come to by itself: one plan for whatever the parameters are.
        connection.execute("SET plan_cache_mode = force_generic_plan")
        _add(probe, FEW)
        few = _pages(connection, probe.kind, after)
        _add(probe, MANY)
        assert _pages(connection, probe.kind, after) < few + MARGIN
    finally:
        connection.close()


def _add(probe: Probe, jobs: int) -> None:
    with unit_of_work(Scope.tenant(probe.org_id)):
        database.execute_sql(
            """
            INSERT INTO jobs (id, org_id, kind, queue, payload, state, run_at, attempt, failures,
              lost, max_attempts, created_at)
            SELECT gen_random_uuid(), %s, %s, 'bulk', '{}', 'queued', now(), 0, 0, 0, 3, now()
            FROM generate_series(1, %s)
            """,
            (probe.org_id, probe.kind, jobs),
        )


def _pages(connection: "psycopg.Connection[tuple[Any, ...]]", kind: str, after: UUID | None) -> int:
    """The pages that a claim touches, once the session is warm."""
    for _ in range(TIMES):
        row = connection.execute(
            """
            EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
            SELECT * FROM claim_turn('bulk', %s, '{1}', '{null}', %s, 'test', '1 minute')
            """,
            ([kind], after),
        ).fetchone()
        assert row is not None
    plan = row[0][0]["Plan"]
    assert plan["Actual Rows"] == 1
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
