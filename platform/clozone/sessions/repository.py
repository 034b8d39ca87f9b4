"""What is read of sessions. Row-level security keeps each organisation to its own."""

from typing import Any
from uuid import UUID

from clozone.infra.records import Record, Statement, records
from clozone.kit.pagination import Position
from clozone.sessions.rollup import FINAL_PASSED, FINAL_SCORE
from clozone.sessions.schemas import SessionQuery

_ITEM = f"""s.id, s.status, s.not_gradable_reason, s.user_id, p.full_name AS user_name,
  s.template_id, t.name AS template_name, s.assignment_id, {FINAL_SCORE} AS score,
  g.score AS ai_score, {FINAL_PASSED} AS passed, s.duration_seconds, s.closed,
  s.submitted_for_review, s.started_at, s.ended_at, s.created_at"""

_JOINS = """JOIN profiles p ON p.id = s.user_id
LEFT JOIN templates t ON t.id = s.template_id
LEFT JOIN session_grades g ON g.session_id = s.id AND s.status = 'completed'
LEFT JOIN rubrics r ON r.id = g.rubric_id"""

_JOB = "id, kind, state, created_at, attempt, last_error, run_at, started_at, finished_at"


def session_page(
    query: SessionQuery, only_user: UUID | None, after: Position | None
) -> list[Record]:
    """What `page_statement` finds."""
    return records(page_statement(query, only_user, after))


def page_statement(
    query: SessionQuery, only_user: UUID | None, after: Position | None
) -> Statement:
    """One page of sessions, newest first, and one more; only those of `only_user` if given."""
    conditions, parameters = _conditions(query, only_user)
    if after is not None:
        conditions.append("(s.created_at, s.id) < (%(after_time)s, %(after_id)s)")
        parameters |= {"after_time": after.created_at, "after_id": after.id}
    parameters["limit"] = query.limit + 1
    # The page is cut before anything is joined to it.
    sql = f"""
WITH page AS MATERIALIZED (
  SELECT s.id, s.status, s.not_gradable_reason, s.user_id, s.template_id, s.assignment_id,
    s.duration_seconds, s.closed, s.submitted_for_review, s.started_at, s.ended_at, s.created_at
  FROM training_sessions s WHERE {" AND ".join(conditions)}
  ORDER BY s.created_at DESC, s.id DESC LIMIT %(limit)s)
SELECT {_ITEM} FROM page s {_JOINS}
ORDER BY s.created_at DESC, s.id DESC"""  # noqa: S608 - constants and placeholders only
    return sql, parameters


def _conditions(query: SessionQuery, only_user: UUID | None) -> tuple[list[str], dict[str, Any]]:
    conditions, parameters = ["s.deleted_at IS NULL"], {}
    compared = {
        "s.user_id = %(only_user)s": only_user,
        "s.user_id = %(user_id)s": query.user_id,
        "s.status = %(status)s": query.status,
        "s.template_id = %(template_id)s": query.template_id,
        "s.assignment_id = %(assignment_id)s": query.assignment_id,
        "s.created_at >= %(created_from)s": query.created_from,
        "s.created_at < %(created_to)s": query.created_to,
    }
    for condition, value in compared.items():
        if value is not None:
            conditions.append(condition)
            parameters[condition.partition("%(")[2].removesuffix(")s")] = value
    # Spelled out: a plan for any value could not use the partial indexes.
    if query.closed is not None:
        conditions.append(f"s.closed = {query.closed}")
    if query.submitted_for_review is not None:
        conditions.append(f"s.submitted_for_review = {query.submitted_for_review}")
    return conditions, parameters


def session_item(session_id: UUID) -> Record | None:
    """One session as lists show it, or None when it is missing or deleted."""
    sql = f"""
SELECT {_ITEM} FROM training_sessions s {_JOINS}
WHERE s.id = %(id)s AND s.deleted_at IS NULL"""  # noqa: S608 - constants only
    return _one((sql, {"id": session_id}))


def detail_statement(session_id: UUID) -> Statement:
    """One session with its grade, and the score of the rep's graded call before it."""
    sql = f"""
SELECT {_ITEM}, s.vapi_call_id, s.ended_reason, s.call_summary, s.call_cost_microdollars,
  s.recording_key IS NOT NULL AS has_recording, s.transcript, s.metrics,
  g.id AS grade_id, g.override_score, (r.body ->> 'pass_score')::int AS pass_score, g.blockers,
  g.criteria, g.summary, g.strengths, g.next_steps, g.better_lines, g.language, g.model,
  g.prompt_version, g.rubric_id, g.created_at AS graded_at,
  (SELECT coalesce(before.override_score, before.score) FROM session_grades before
   WHERE before.user_id = g.user_id AND before.template_id = g.template_id
     AND before.created_at < g.created_at
   ORDER BY before.created_at DESC LIMIT 1) AS previous_score
FROM training_sessions s {_JOINS}
WHERE s.id = %(id)s AND s.deleted_at IS NULL"""  # noqa: S608 - constants only
    return sql, {"id": session_id}


def session_detail(session_id: UUID) -> Record | None:
    """What `detail_statement` finds, or None when the session is missing or deleted."""
    return _one(detail_statement(session_id))


def reviews(session_id: UUID) -> list[Record]:
    """The reviews of a session, the latest first."""
    return records(
        (
            """
            SELECT v.id, v.reviewer_id, p.full_name AS reviewer_name, v.comment, v.override_score,
              v.created_at
            FROM session_reviews v JOIN profiles p ON p.id = v.reviewer_id
            WHERE v.session_id = %(id)s ORDER BY v.created_at DESC, v.id DESC""",
            {"id": session_id},
        )
    )


def jobs_and_exports(session_id: UUID) -> tuple[list[Record], list[Record]]:
    """In one statement: the jobs on a session, in the order they were added, and the files made
    from it, the latest first.
    """
    found = records(
        (
            f"""
            SELECT true AS is_job, {_JOB}, NULL::bigint AS size_bytes, NULL::timestamptz AS ready_at
            FROM jobs WHERE subject_id = %(id)s
            UNION ALL
            SELECT false, id, kind, state, created_at, NULL, NULL, NULL, NULL, NULL,
              size_bytes, ready_at
            FROM exports WHERE session_id = %(id)s
            ORDER BY created_at, id""",  # noqa: S608 - constants only
            {"id": session_id},
        )
    )
    jobs = [row for row in found if row["is_job"]]
    return jobs, [row for row in reversed(found) if not row["is_job"]]


def _one(statement: Statement) -> Record | None:
    return next(iter(records(statement)), None)
