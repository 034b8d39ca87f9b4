"""The rollup against the sessions: comparing the two, and making it anew.

Both use the one statement that says what a session contributes, summed up by day and grain.
"""

from uuid import UUID

from clozone.infra.cache import forget_analytics
from clozone.infra.postgres import after_commit, database
from clozone.infra.records import Record, records
from clozone.infra.replica import write_position
from clozone.models.accounts import Organization
from clozone.sessions.rollup import (
    CONTRIBUTIONS,
    EVERY_TEMPLATE,
    EVERYONE,
    KEY,
    SCORES,
    SUMS,
)

_KEY = ", ".join(KEY)
_COLUMNS = (*SUMS, "score_totals")
_PLACES = range(1, SCORES + 1)
_ZEROS = f"array_fill(0, ARRAY[{SCORES}])"
_SCORE_COUNTS = ", ".join(f"count(*) FILTER (WHERE c.score = {score})" for score in range(SCORES))
_UP_TO_DAY = "PARTITION BY user_id, template_id ORDER BY day"

# What each day added, by the sessions.
_RECOUNT = f"""
SELECT c.org_id, coalesce(c.user_id, '{EVERYONE}') AS user_id,
  coalesce(c.template_id, '{EVERY_TEMPLATE}') AS template_id, c.day,
  {", ".join(f"sum(c.{name})::bigint AS {name}" for name in SUMS)},
  ARRAY[{_SCORE_COUNTS}]::int[] AS score_counts
FROM ({CONTRIBUTIONS} AND s.org_id = %(org_id)s) c
GROUP BY c.org_id, c.day,
  GROUPING SETS ((c.user_id, c.template_id), (c.user_id), (c.template_id), ())
HAVING {" OR ".join(f"sum(c.{name}) <> 0" for name in SUMS)}
"""  # noqa: S608 - constants only

# What each day added, by the rollup: nothing where a row only repeats the one before.
_ADDED = f"""
SELECT {_KEY}, {", ".join(f"{name} - lag({name}, 1, 0::bigint) OVER up_to_day AS {name}" for name in SUMS)},
  ARRAY[{", ".join(f"score_totals[{n}] - coalesce(totals_before[{n}], 0)" for n in _PLACES)}]
    AS score_counts
FROM (SELECT *, lag(score_totals) OVER ({_UP_TO_DAY}) AS totals_before
  FROM daily_stats WHERE org_id = %(org_id)s) kept
WINDOW up_to_day AS ({_UP_TO_DAY})
"""  # noqa: S608 - constants only

_COMPARED = dict.fromkeys(SUMS, "0") | {"score_counts": _ZEROS}
_DIFFERENCES = f"""
SELECT {_KEY}, {
    ", ".join(
        f"coalesce(d.{name}, {none}) AS rollup_{name}, coalesce(r.{name}, {none}) AS recount_{name}"
        for name, none in _COMPARED.items()
    )
}
FROM ({_ADDED}) d FULL JOIN ({_RECOUNT}) r USING ({_KEY})
WHERE {
    " OR ".join(
        f"coalesce(d.{name}, {none}) <> coalesce(r.{name}, {none})"
        for name, none in _COMPARED.items()
    )
}
ORDER BY day, user_id, template_id"""  # noqa: S608 - constants only

_INSERT = f"""
INSERT INTO daily_stats ({_KEY}, {", ".join(_COLUMNS)})
SELECT {_KEY}, {", ".join(f"sum({name}) OVER up_to_day" for name in SUMS)},
  ARRAY[{", ".join(f"sum(score_counts[{n}]) OVER up_to_day" for n in _PLACES)}]::int[]
FROM ({_RECOUNT}) r
WINDOW up_to_day AS ({_UP_TO_DAY})
"""  # noqa: S608 - constants only


def organizations() -> list[UUID]:
    """The ids of all, in order. Needs platform scope."""
    return [org.id for org in Organization.select(Organization.id).order_by(Organization.id)]


def differences(org_id: UUID) -> list[Record]:
    """Where the rollup is not what a recount from the sessions gives; empty when it is.

    Each names person, template and day (`EVERYONE`, `EVERY_TEMPLATE` for all of them) and has for
    every sum what that day added, `rollup_…` and `recount_…`. One statement, so one state of both:
    writers need not stop. Needs platform scope.
    """
    _take_as_long_as_it_needs()
    return records((_DIFFERENCES, {"org_id": org_id}))


def rebuild(org_id: UUID) -> int:
    """Make an organisation's rollup anew from its sessions; how many rows it has. Platform scope.

    Readers see the old rows until the unit of work commits. A change of a session of this
    organisation that is about to commit waits, and then adds its difference to what was counted
    without it; other organisations are not kept waiting.
    """
    _take_as_long_as_it_needs()
    database.execute_sql("SELECT lock_daily_stats(%s)", (org_id,))
    database.execute_sql("DELETE FROM daily_stats WHERE org_id = %s", (org_id,))
    cursor = database.execute_sql(_INSERT, {"org_id": org_id})
    after_commit(lambda: forget_analytics(org_id, write_position()))
    return int(cursor.rowcount)


def _take_as_long_as_it_needs() -> None:
    database.execute_sql("SET LOCAL statement_timeout = 0")
