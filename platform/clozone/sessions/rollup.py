"""The rollup follows the sessions: what changes a session or its grade changes `daily_stats` too.

One statement says what a session contributes. Changes apply the difference it makes, rebuilding and
verifying sum it up, so the three cannot disagree. Whole numbers only: taking a contribution back
leaves exactly what was there before.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from clozone.infra.cache import forget_analytics
from clozone.infra.postgres import after_commit, database
from clozone.infra.progress import announce
from clozone.kit.clock import now
from clozone.kit.errors import NotFound
from clozone.models.training import TrainingSession

# The grade of a completed session `s` is `g`, its rubric `r`. A manager's override decides in
# place of the machine's score; what blocks a pass blocks it under an override too.
FINAL_SCORE = "coalesce(g.override_score, g.score)"
FINAL_PASSED = """(CASE WHEN g.override_score IS NULL THEN g.passed
    ELSE g.override_score >= (r.body ->> 'pass_score')::int
      AND jsonb_array_length(g.blockers) = 0 END)"""
GRADED_SESSIONS = """training_sessions s
  LEFT JOIN session_grades g ON g.session_id = s.id AND s.status = 'completed'
  LEFT JOIN rubrics r ON r.id = g.rubric_id"""

# Stands in the rollup for a session without a template.
NO_TEMPLATE = "00000000-0000-0000-0000-000000000000"

# Money, minutes and a closed deal count as soon as they are known, whatever becomes of the grade.
CONTRIBUTIONS = f"""
SELECT s.org_id, (s.created_at AT TIME ZONE 'UTC')::date AS day, s.user_id,
  coalesce(s.template_id, '{NO_TEMPLATE}') AS template_id,
  (s.status IN ('completed', 'not_gradable'))::int AS sessions,
  (g.id IS NOT NULL)::int AS graded,
  coalesce({FINAL_PASSED}, false)::int AS passed,
  (s.status = 'not_gradable')::int AS not_gradable,
  (s.closed IS TRUE)::int AS closed_won,
  coalesce({FINAL_SCORE}, 0)::int AS score_sum,
  coalesce(round((s.duration_seconds * 1000)::numeric), 0)::bigint AS duration_ms,
  coalesce(round((s.metrics ->> 'talk_ratio')::numeric * 1000), 0)::bigint AS talk_ratio_permille,
  ((s.metrics ->> 'talk_ratio') IS NOT NULL)::int AS talk_ratio_sessions,
  coalesce(s.call_cost_microdollars, 0) AS call_cost_microdollars,
  {FINAL_SCORE}::int AS score
FROM {GRADED_SESSIONS}
WHERE s.deleted_at IS NULL
"""  # noqa: S608 - constants only

KEY = ("org_id", "day", "user_id", "template_id")
SUMS = (
    "sessions",
    "graded",
    "passed",
    "not_gradable",
    "closed_won",
    "score_sum",
    "duration_ms",
    "talk_ratio_permille",
    "talk_ratio_sessions",
    "call_cost_microdollars",
)
SCORES = 101

Key = tuple[UUID, date, UUID, UUID]

_ADD = f"""
INSERT INTO daily_stats AS d ({", ".join(KEY)}, {", ".join(SUMS)}, score_counts)
VALUES ({", ".join(f"%({name})s" for name in (*KEY, *SUMS))}, %(score_counts)s::int[])
ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET
  {", ".join(f"{name} = d.{name} + excluded.{name}" for name in SUMS)},
  score_counts = ARRAY(
    SELECT have + more FROM unnest(d.score_counts, excluded.score_counts)
      WITH ORDINALITY AS pair (have, more, place) ORDER BY place)
"""  # noqa: S608 - constants only


@contextmanager
def changing(session_id: UUID) -> Iterator[TrainingSession]:
    """The one way to change a session or its grade: `with changing(session_id) as session:`.

    Yields the row, locked until the unit of work ends; what is assigned to it is saved when the
    block ends, and the grade may be written inside the block. Then the rollup gets the difference,
    and after commit the organisation's cached analytics are dropped and the session's watchers
    told. Raises NotFound for a session that is missing, deleted or another organisation's.

    Within one unit of work, sessions are to be changed one after the other, not nested.
    """
    session = _locked(session_id)
    before = _contribution(session_id)
    yield session
    session.updated_at = now()
    session.save(only=session.dirty_fields)
    differences = _differences(before, _contribution(session_id))
    for difference in differences:
        database.execute_sql(_ADD, difference)
    for org_id in {difference["org_id"] for difference in differences}:
        after_commit(partial(forget_analytics, org_id))
    announce(session_id)


def _locked(session_id: UUID) -> TrainingSession:
    # The stubs know no strengths of locks. This one lets rows that refer to the session be added.
    query: Any = TrainingSession.select().where(
        TrainingSession.id == session_id, TrainingSession.deleted_at.is_null()
    )
    session: TrainingSession | None = query.for_update("FOR NO KEY UPDATE").get_or_none()
    if session is None:
        raise NotFound("There is no such session.")
    return session


def _contribution(session_id: UUID) -> dict[str, Any] | None:
    cursor = database.execute_sql(CONTRIBUTIONS + "AND s.id = %s", (session_id,))
    row = cursor.fetchone()
    if row is None:
        return None
    return dict(zip([column.name for column in cursor.description], row, strict=True))


def _differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """What to add to which row of the rollup, in the order of the keys, so that locks are taken in one."""
    totals: dict[Key, dict[str, Any]] = {}
    for contribution, sign in ((before, -1), (after, 1)):
        if contribution is None:
            continue
        key: Key = tuple(contribution[name] for name in KEY)
        total = totals.setdefault(key, dict.fromkeys(SUMS, 0) | {"score_counts": [0] * SCORES})
        for name in SUMS:
            total[name] += sign * contribution[name]
        if contribution["score"] is not None:
            total["score_counts"][contribution["score"]] += sign
    return [
        dict(zip(KEY, key, strict=True)) | totals[key]
        for key in sorted(totals)
        if any(totals[key][name] for name in SUMS) or any(totals[key]["score_counts"])
    ]
