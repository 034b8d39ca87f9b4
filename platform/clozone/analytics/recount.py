"""The rollup against the sessions: comparing the two, and making it anew.

Both use the one statement that says what a session contributes, summed up.
"""

from uuid import UUID

from clozone.infra.cache import forget_analytics
from clozone.infra.postgres import after_commit, database
from clozone.infra.records import Record, records
from clozone.models.accounts import Organization
from clozone.sessions.rollup import CONTRIBUTIONS, KEY, SCORES, SUMS

_KEY = ", ".join(KEY)
_COLUMNS = (*SUMS, "score_counts")
_ZEROS = f"array_fill(0, ARRAY[{SCORES}])"
_SCORE_COUNTS = ", ".join(f"count(*) FILTER (WHERE c.score = {score})" for score in range(SCORES))
_RECOUNT = f"""
SELECT {_KEY}, {", ".join(f"sum(c.{name}) AS {name}" for name in SUMS)},
  ARRAY[{_SCORE_COUNTS}]::int[] AS score_counts
FROM ({CONTRIBUTIONS} AND s.org_id = %(org_id)s) c
GROUP BY {_KEY}
HAVING {" OR ".join(f"sum(c.{name}) <> 0" for name in SUMS)}
"""  # noqa: S608 - constants only


def organizations() -> list[UUID]:
    """The ids of all, in order. Needs platform scope."""
    return [org.id for org in Organization.select(Organization.id).order_by(Organization.id)]


def differences(org_id: UUID) -> list[Record]:
    """Where the rollup is not what a recount from the sessions gives; empty when it is.

    Each names its row of the rollup and has for every column that differs `rollup_…` and
    `recount_…`. One statement, so one state of both: writers need not stop. Needs platform scope.
    """
    compared = dict.fromkeys(SUMS, "0") | {"score_counts": _ZEROS}
    sql = f"""
SELECT {", ".join(f"coalesce(d.{name}, r.{name}) AS {name}" for name in KEY)},
  {
        ", ".join(
            f"coalesce(d.{name}, {none}) AS rollup_{name}, coalesce(r.{name}, {none}) AS recount_{name}"
            for name, none in compared.items()
        )
    }
FROM (SELECT * FROM daily_stats WHERE org_id = %(org_id)s) d
FULL JOIN ({_RECOUNT}) r USING ({_KEY})
WHERE {
        " OR ".join(
            f"coalesce(d.{name}, {none}) <> coalesce(r.{name}, {none})"
            for name, none in compared.items()
        )
    }
ORDER BY {_KEY}"""  # noqa: S608 - constants only
    _take_as_long_as_it_needs()
    return records((sql, {"org_id": org_id}))


def rebuild(org_id: UUID) -> int:
    """Make an organisation's rollup anew from its sessions; how many rows it has. Platform scope.

    Readers see the old rows until the unit of work commits. A change of a session that is under
    way waits at the rollup, and then adds its difference to what was counted without it.
    """
    _take_as_long_as_it_needs()
    database.execute_sql("LOCK TABLE daily_stats IN SHARE ROW EXCLUSIVE MODE")
    database.execute_sql("DELETE FROM daily_stats WHERE org_id = %s", (org_id,))
    columns = f"{_KEY}, {', '.join(_COLUMNS)}"
    cursor = database.execute_sql(
        f"INSERT INTO daily_stats ({columns}) SELECT {columns} FROM ({_RECOUNT}) r",  # noqa: S608
        {"org_id": org_id},
    )
    after_commit(lambda: forget_analytics(org_id))
    return int(cursor.rowcount)


def _take_as_long_as_it_needs() -> None:
    database.execute_sql("SET LOCAL statement_timeout = 0")
