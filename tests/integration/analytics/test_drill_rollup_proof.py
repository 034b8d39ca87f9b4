"""The drill's proof that every session counts once: it holds, and it finds what was counted wrong."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from psycopg.sql import SQL
from tests.support.practice import ALL, Practice

from clozone.drill.evidence import Evidence
from clozone.drill.proofs.rollup import prove_rollup
from clozone.infra.postgres import database, unit_of_work
from clozone.kit.clock import now


class Rows:
    """The rows of every organisation of the tests' database, read as the drill does."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            connection.execute("SET ROLE clozone_platform")
            return connection.execute(SQL(statement), values).fetchall()


@pytest.fixture
def evidence(practice: Practice, environment: dict[str, str]) -> Evidence:
    """What the proof goes by: an organisation with sessions in several states on two days."""
    yesterday = now() - timedelta(days=1)
    for score in (40, 80):
        practice.graded(score, created_at=yesterday, template=1)
    practice.change(practice.graded(80), closed=True, duration_seconds=61.5)
    practice.change(
        practice.session(practice.other_rep, template=None),
        status="not_gradable",
        metrics={"talk_ratio": 0.5},
        call_cost_microdollars=7,
    )
    practice.session()
    rows = Rows(environment["DATABASE_URL"])
    return cast(Evidence, SimpleNamespace(database=rows, orgs=[practice.org_id]))


def test_what_the_platform_kept_is_what_the_proof_counts(evidence):
    proof = prove_rollup(evidence)
    assert proof.examples == []
    # A rep's two days and another's one, of one template each; and so for all of the one, or both.
    assert proof.checked == 11 * (3 + 3 + 3 + 2)
    assert proof.facts == {"sessions": 4, "graded": 3, "not_gradable": 1}


@pytest.mark.parametrize("column", ["sessions", "score_sum", "duration_ms", "score_totals[81]"])
@pytest.mark.parametrize("who", ["user_id <> %s", "user_id = %s"])
def test_what_is_counted_wrong_is_found_in_every_grain(evidence, practice, column, who):
    with unit_of_work(practice.scope):
        changed = database.execute_sql(
            f"UPDATE daily_stats SET {column} = {column} + 1"
            f" WHERE template_id = %s AND day = %s AND {who}",
            (ALL, now().date(), ALL),
        ).rowcount
    assert changed
    proof = prove_rollup(evidence)
    assert proof.wrong == changed
    named = column.partition("[")[0].replace("score_totals", "score_counts")
    assert all(named in example for example in proof.examples)
