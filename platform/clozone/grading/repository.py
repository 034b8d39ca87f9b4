"""Rows that grading reads and writes. Row-level security keeps each organisation to its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from clozone.grading.reading import Reading
from clozone.infra.postgres import current_scope, database
from clozone.models.operations import Job
from clozone.models.training import (
    Assignment,
    SessionGrade,
    SessionReview,
    Template,
    TrainingSession,
)
from clozone.models.training import Rubric as RubricRow
from clozone.sessions.rollup import FINAL_PASSED, FINAL_SCORE, GRADED_SESSIONS
from clozone.sessions.transcript import Turn
from clozone.training.rubric import Rubric


@dataclass(frozen=True, slots=True)
class CallToGrade:
    """What is known of a call that waits for its grade. Without a rubric it cannot have one."""

    session_id: UUID
    org_id: UUID
    rubric: Rubric | None
    scenario: str
    turns: tuple[Turn, ...]


def call_to_grade(session_id: UUID) -> CallToGrade | None:
    """The call, or None if it does not wait for a grade: deleted, graded, or not that far."""
    session = TrainingSession.get_or_none(
        (TrainingSession.id == session_id)
        & (TrainingSession.status == "processing")
        & TrainingSession.deleted_at.is_null()
    )
    if session is None or session.transcript is None:
        return None
    return CallToGrade(
        session_id=session_id,
        org_id=session.org_id,
        rubric=rubric_by_id(session.rubric_id) if session.rubric_id else None,
        scenario=session.scenario or "",
        turns=turns_from(session.transcript),
    )


def rubric_by_id(rubric_id: UUID) -> Rubric | None:
    """A version of a rubric."""
    row = RubricRow.get_or_none(RubricRow.id == rubric_id)
    return Rubric.model_validate(row.body) if row else None


def template_by_id(template_id: UUID) -> Template | None:
    """A template of the organisation."""
    found: Template | None = Template.get_or_none(Template.id == template_id)
    return found


def insert_grade(session: TrainingSession, reading: Reading) -> None:
    """The grade of a session, with everything it was made from."""
    evidence = reading.evidence.model_dump(mode="json")
    SessionGrade.create(
        org_id=session.org_id,
        session_id=session.id,
        user_id=session.user_id,
        template_id=session.template_id,
        rubric_id=session.rubric_id,
        score=reading.scored.score,
        passed=reading.scored.passed,
        blockers=reading.scored.blockers_json(),
        criteria=reading.scored.criteria_json(),
        evidence=evidence,
        summary=reading.evidence.summary,
        strengths=evidence["strengths"],
        next_steps=evidence["next_steps"],
        better_lines=evidence["better_lines"],
        language=reading.evidence.language,
        model=reading.model,
        prompt_version=reading.prompt_version,
        llm_call_id=reading.call_id,
    )


def complete_assignment(session: TrainingSession, score: int, moment: datetime) -> None:
    """Mark the session's assignment done if `score` reaches its target, or if it has none."""
    if session.assignment_id is None:
        return
    Assignment.update(completed_at=moment).where(
        Assignment.id == session.assignment_id,
        Assignment.completed_at.is_null(),
        Assignment.target_score.is_null() | (Assignment.target_score <= score),
    ).execute()


def grade_of(session_id: UUID) -> SessionGrade | None:
    """The grade of a session, if it has one."""
    found: SessionGrade | None = SessionGrade.get_or_none(SessionGrade.session_id == session_id)
    return found


def final_result(session_id: UUID) -> tuple[int | None, bool | None]:
    """Score and verdict as they stand, a manager's override included; both None without a grade."""
    score, passed = database.execute_sql(
        f"SELECT {FINAL_SCORE}, {FINAL_PASSED} FROM {GRADED_SESSIONS} WHERE s.id = %s",  # noqa: S608
        (session_id,),
    ).fetchone()
    return score, passed if score is not None else None


def insert_review(
    session_id: UUID, reviewer_id: UUID, comment: str, override_score: int | None
) -> SessionReview:
    """A manager's word; all are kept, the latest counts."""
    review: SessionReview = SessionReview.create(
        org_id=current_scope().org_id,
        session_id=session_id,
        reviewer_id=reviewer_id,
        comment=comment,
        override_score=override_score,
    )
    return review


def set_override(grade: SessionGrade, override_score: int | None, moment: datetime) -> None:
    """Let a manager's score stand in place of the machine's, or take it back with None."""
    SessionGrade.update(override_score=override_score, updated_at=moment).where(
        SessionGrade.id == grade.id
    ).execute()


def visible_job(job_id: UUID, only_user: UUID | None) -> Job | None:
    """A job of the organisation; with `only_user`, one that this person asked for or is about."""
    job: Job | None = Job.get_or_none(Job.id == job_id)
    if job is None or only_user is None or job.payload.get("user_id") == str(only_user):
        return job
    ((owned,),) = database.execute_sql(
        "SELECT EXISTS (SELECT FROM training_sessions WHERE id = %s AND user_id = %s)",
        (job.subject_id, only_user),
    ).fetchall()
    return job if owned else None


def forget_transcript(job_id: UUID) -> None:
    """Take what was said out of the job of a transcript that was sent in."""
    database.execute_sql("UPDATE jobs SET payload = payload - 'turns' WHERE id = %s", (job_id,))


def turns_from(fragments: Sequence[dict[str, Any]]) -> tuple[Turn, ...]:
    """Turns as they are kept in JSON."""
    return tuple(Turn(**fragment) for fragment in fragments)
