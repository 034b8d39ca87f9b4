"""The rollup follows the sessions: what changes a session or its grade changes `daily_stats` too.

One statement says what a session contributes. Changes apply the difference it makes, rebuilding and
verifying sum it up, so the three cannot disagree. Whole numbers only: taking a contribution back
leaves exactly what was there before.

Differences wait until the unit of work is about to commit and are then applied in one call, because
whoever applies them holds a lock that the whole organisation waits for.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

import orjson

from clozone.infra.cache import forget_analytics
from clozone.infra.postgres import after_commit, before_commit, database
from clozone.infra.progress import announce
from clozone.infra.replica import write_position
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
NO_TEMPLATE = UUID("00000000-0000-0000-0000-000000000000")
# Stand in the rollup for all of them.
EVERYONE = EVERY_TEMPLATE = UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")

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

KEY = ("org_id", "user_id", "template_id", "day")
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

Key = tuple[UUID, UUID, UUID, date]

# In a setting of the transaction: rolling back to a savepoint takes back what was noted since.
_NOTE = """
SELECT set_config('clozone.rollup_changes',
  concat_ws(',', nullif(current_setting('clozone.rollup_changes', true), ''), %s::text), true)
"""


@contextmanager
def changing(session_id: UUID) -> Iterator[TrainingSession]:
    """The one way to change a session or its grade: `with changing(session_id) as session:`.

    Yields the row, locked until the unit of work ends; what is assigned to it is saved when the
    block ends, and the grade may be written inside the block. The rollup gets the difference just
    before the commit; after it the organisation's cached analytics are dropped and the session's
    watchers told. Raises NotFound for a session that is missing, deleted or another organisation's.

    Within one unit of work, sessions are to be changed one after the other, not nested.
    """
    session = _locked(session_id)
    before = _contribution(session_id)
    yield session
    session.updated_at = now()
    session.save(only=session.dirty_fields)
    differences = _differences(before, _contribution(session_id))
    if differences:
        database.execute_sql(_NOTE, (b",".join(map(orjson.dumps, differences)).decode(),))
        before_commit(_roll_up)
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
    """What a change of one session adds to the sums of which person, template and day.

    `score_lost` and `score_won` are the scores that count once less and once more.
    """
    totals: dict[Key, dict[str, Any]] = {}
    for contribution, sign, score in ((before, -1, "score_lost"), (after, 1, "score_won")):
        if contribution is None:
            continue
        key: Key = tuple(contribution[name] for name in KEY)
        total = totals.setdefault(
            key, dict.fromkeys(SUMS, 0) | {"score_lost": None, "score_won": None}
        )
        for name in SUMS:
            total[name] += sign * contribution[name]
        total[score] = contribution["score"]
    return [
        dict(zip(KEY, key, strict=True)) | total
        for key, total in totals.items()
        if any(total[name] for name in SUMS) or total["score_lost"] != total["score_won"]
    ]


def _roll_up() -> None:
    for (org_id,) in database.execute_sql("SELECT roll_up()"):
        after_commit(partial(_forget, org_id), first=True)


def _forget(org_id: UUID) -> None:
    forget_analytics(org_id, write_position())
