"""Rows behind the exports: what a scorecard is made from, and what has become of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from peewee import fn

from clozone.exports.facts import ScorecardFacts
from clozone.infra.postgres import current_scope, database
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.kit.pagination import Position
from clozone.models.accounts import Profile
from clozone.models.keyset import page
from clozone.models.operations import Job
from clozone.models.training import Export, TrainingSession
from clozone.sessions.rollup import FINAL_PASSED, GRADED_SESSIONS

SCORECARD = "scorecard_pdf"

_FACTS = f"""
SELECT s.id AS session_id, o.name AS organisation, p.full_name AS rep_name, t.name AS scenario,
  coalesce(s.started_at, s.created_at) AS called_at, s.duration_seconds,
  coalesce(s.transcript, '[]') AS transcript, coalesce(s.metrics, '{{}}') AS metrics,
  g.score, {FINAL_PASSED} AS passed, (r.body ->> 'pass_score')::int AS pass_score,
  g.override_score, g.criteria, g.blockers, g.summary, g.strengths, g.next_steps, g.better_lines,
  g.model, g.prompt_version, g.created_at AS graded_at,
  reviewer.full_name AS reviewer, review.comment AS review_comment,
  overrider.full_name AS overrider, override.comment AS override_comment
FROM {GRADED_SESSIONS}
JOIN organizations o ON o.id = s.org_id
JOIN profiles p ON p.id = s.user_id
JOIN templates t ON t.id = g.template_id
LEFT JOIN LATERAL (
  SELECT id, comment, reviewer_id FROM session_reviews WHERE session_id = s.id
  ORDER BY created_at DESC, id DESC LIMIT 1
) review ON true
LEFT JOIN LATERAL (
  SELECT id, comment, reviewer_id FROM session_reviews
  WHERE session_id = s.id AND override_score = g.override_score
  ORDER BY created_at DESC, id DESC LIMIT 1
) override ON override.id <> review.id
LEFT JOIN profiles reviewer ON reviewer.id = review.reviewer_id
LEFT JOIN profiles overrider ON overrider.id = override.reviewer_id
WHERE s.id = %s AND s.deleted_at IS NULL
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class SessionHead:
    """Whose a session is and how far it has come."""

    id: UUID
    org_id: UUID
    owner_id: UUID
    status: str
    not_gradable_reason: str | None


@dataclass(frozen=True, slots=True)
class ExportRow:
    """An export, and what its file is named after. Times are aware."""

    id: UUID
    session_id: UUID
    kind: str
    state: str
    object_key: str | None
    size_bytes: int | None
    error: str | None
    created_at: datetime
    ready_at: datetime | None
    owner_id: UUID
    rep_name: str
    called_at: datetime


def select_session(session_id: UUID) -> SessionHead | None:
    """A session that is not deleted."""
    return _head(_session(session_id))


def lock_session(session_id: UUID) -> SessionHead | None:
    """The same, locked until the unit of work ends: its grade and its exports stand still."""
    return _head(_session(session_id).for_update("FOR NO KEY UPDATE"))


def _session(session_id: UUID) -> Any:
    return TrainingSession.select(
        TrainingSession.id,
        TrainingSession.org_id,
        TrainingSession.user_id,
        TrainingSession.status,
        TrainingSession.not_gradable_reason,
    ).where(TrainingSession.id == session_id, TrainingSession.deleted_at.is_null())


def _head(query: Any) -> SessionHead | None:
    return next((SessionHead(*row) for row in query.tuples()), None)


def select_facts(session_id: UUID) -> ScorecardFacts | None:
    """What the session's scorecard is made from, or None while there is no grade."""
    cursor = database.execute_sql(_FACTS, (session_id,))
    row = cursor.fetchone()
    if row is None:
        return None
    facts = dict(zip([column.name for column in cursor.description], row, strict=True))
    return None if facts["score"] is None else ScorecardFacts(**facts)


def select_state(session_id: UUID, content_hash: bytes) -> tuple[UUID, str] | None:
    """Id and state of the scorecard of this content, if there is one."""
    found: tuple[UUID, str] | None = (
        Export.select(Export.id, Export.state)
        .where(
            Export.session_id == session_id,
            Export.kind == SCORECARD,
            Export.content_hash == content_hash,
        )
        .tuples()
        .first()
    )
    return found


def insert_scorecard(session_id: UUID, content_hash: bytes) -> UUID:
    """Add a queued scorecard of this content."""
    export_id = new_id()
    Export.insert(
        id=export_id,
        org_id=current_scope().org_id,
        session_id=session_id,
        kind=SCORECARD,
        content_hash=content_hash,
        state="queued",
    ).execute()
    return export_id


def set_queued(export_id: UUID, object_key: str | None = None) -> None:
    """Let an export be made, again or at last; `object_key` is where its file will be."""
    Export.update(state="queued", error=None, object_key=object_key or Export.object_key).where(
        Export.id == export_id
    ).execute()


def fail_queued(session_id: UUID, error: str, *, except_for: UUID | None = None) -> int:
    """End the queued exports of a session, save one; how many there were."""
    query = Export.update(state="failed", error=error).where(
        Export.session_id == session_id, Export.state == "queued"
    )
    if except_for is not None:
        query = query.where(Export.id != except_for)
    return int(query.execute())


def set_ready(export_id: UUID, size_bytes: int) -> bool:
    """The file is there; False if the export or its session is gone meanwhile."""
    there = TrainingSession.select(TrainingSession.id).where(TrainingSession.deleted_at.is_null())
    changed = (
        Export.update(state="ready", size_bytes=size_bytes, error=None, ready_at=now())
        .where(Export.id == export_id, Export.session_id.in_(there))
        .execute()
    )
    return bool(changed)


def has_job(session_id: UUID, kind: str, states: Collection[str]) -> bool:
    """Whether the session has a job of this kind in one of these states."""
    return bool(
        Job.select()
        .where(Job.subject_id == session_id, Job.kind == kind, Job.state.in_(states))
        .exists()
    )


def select_export(export_id: UUID) -> ExportRow | None:
    """An export of a session that is not deleted."""
    return next(iter(_rows(_exports().where(Export.id == export_id))), None)


def select_exports(session_id: UUID, after: Position | None, limit: int) -> list[ExportRow]:
    """A page of a session's exports, and one more if others follow."""
    return _rows(page(_exports().where(Export.session_id == session_id), Export, after, limit))


def _exports() -> Any:
    return (
        Export.select(
            Export.id,
            Export.session_id,
            Export.kind,
            Export.state,
            Export.object_key,
            Export.size_bytes,
            Export.error,
            Export.created_at,
            Export.ready_at,
            TrainingSession.user_id,
            Profile.full_name,
            fn.coalesce(TrainingSession.started_at, TrainingSession.created_at),
        )
        .join(TrainingSession, on=TrainingSession.id == Export.session_id)
        .join(Profile, on=Profile.id == TrainingSession.user_id)
        .where(TrainingSession.deleted_at.is_null())
    )


def _rows(query: Any) -> list[ExportRow]:
    return [ExportRow(*row) for row in query.tuples()]
