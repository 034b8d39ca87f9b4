"""Scorecards on request and after each grade: one file per content, made once.

Everything that decides what is to be made holds the session's lock, as does everything that changes
a session or its grade. So a job that waits is known to see what its asker saw, or something newer.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from clozone.exports import repository
from clozone.exports.facts import ScorecardFacts
from clozone.exports.repository import ExportRow, SessionHead
from clozone.exports.schemas import ExportAnswer
from clozone.infra.object_storage import object_storage, scorecard_key
from clozone.infra.progress import announce
from clozone.jobs.enqueue import enqueue
from clozone.jobs.kinds import UNFINISHED, WAITING
from clozone.jobs.notices import tell
from clozone.kit.clock import now
from clozone.kit.errors import Conflict, NotFound
from clozone.kit.pagination import Page, PageQuery, Position, page_of
from clozone.web.identity import Actor, Role

RENDER_SCORECARD = "exports.render_scorecard"
PDF = "application/pdf"
LIST = "exports"

_SUPERSEDED = "The grade changed before this scorecard was made. Request it again."
_GIVEN_UP = (
    "The scorecard could not be made. Request it again; if that fails too, the reason is with the "
    "job {job_id}."
)
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Order:
    """A scorecard to be made: from what, and where it goes."""

    export_id: UUID
    facts: ScorecardFacts
    object_key: str


def request_export(actor: Actor, session_id: UUID) -> ExportAnswer:
    """The scorecard of the session as it is now: the one there is, or one that is being made.

    Raises NotFound for a session the caller may not see and Conflict for one without a grade.
    """
    session = _visible(actor, repository.lock_session(session_id))
    facts = repository.select_facts(session_id)
    if facts is None:
        raise Conflict(_why_no_grade(session))
    content_hash = facts.content_hash()
    export_id, state = repository.select_state(session_id, content_hash) or (None, None)
    if export_id is None:
        export_id = repository.insert_scorecard(session_id, content_hash)
    if state == "failed":
        repository.set_queued(export_id)
    # A job that waits will find this content. One that runs may have read the one before, unless
    # somebody has asked for this one already.
    sufficient = UNFINISHED if state == "queued" else WAITING
    if state != "ready" and not repository.has_job(session_id, RENDER_SCORECARD, sufficient):
        enqueue(
            RENDER_SCORECARD,
            {"session_id": str(session_id)},
            subject_id=session_id,
            dedupe_key=f"scorecard:{session_id}:{content_hash.hex()}",
        )
    return read_export(actor, export_id)


def read_export(actor: Actor, export_id: UUID) -> ExportAnswer:
    """An export, with a fresh link when its file is ready. Raises NotFound."""
    found = repository.select_export(export_id)
    if found is None or not _may_see(actor, found.owner_id):
        raise NotFound("There is no such export.")
    return _answer(found)


def list_exports(actor: Actor, session_id: UUID, query: PageQuery) -> Page[ExportAnswer]:
    """The exports of a session, newest first. Raises NotFound."""
    _visible(actor, repository.select_session(session_id))
    rows = repository.select_exports(session_id, query.position(LIST), query.limit)
    answers = [_answer(row) for row in rows]
    return page_of(answers, query.limit, LIST, lambda row: Position(row.created_at, row.id))


def begin_scorecard(session_id: UUID) -> Order | None:
    """What the session's scorecard is to be made from now, or None if there is nothing to do.

    The row and the key of the file are there before the file is, so that whoever erases the session
    knows of it. Other scorecards that still wait are of a content that is gone, and end here.
    """
    session = repository.lock_session(session_id)
    facts = repository.select_facts(session_id)
    if session is None or facts is None:
        return None
    content_hash = facts.content_hash()
    export_id, state = repository.select_state(session_id, content_hash) or (None, None)
    if export_id is None:
        export_id = repository.insert_scorecard(session_id, content_hash)
    repository.fail_queued(session_id, _SUPERSEDED, except_for=export_id)
    if state == "ready":
        return None
    key = scorecard_key(session.org_id, session_id, content_hash.hex())
    repository.set_queued(export_id, key)
    return Order(export_id, facts, key)


def finish_scorecard(order: Order, size_bytes: int) -> None:
    """Record that the file is there, and tell whoever wants to know.

    Raises NotFound if the session was deleted meanwhile.
    """
    if not repository.set_ready(order.export_id, size_bytes):
        raise NotFound("The session is gone.")
    data = {
        "export_id": str(order.export_id),
        "session_id": str(order.facts.session_id),
        "kind": repository.SCORECARD,
        "size_bytes": size_bytes,
        "url": f"/api/exports/{order.export_id}",
    }
    tell("export.ready", data)
    announce(order.facts.session_id)


def give_up_scorecard(session_id: UUID, job_id: UUID) -> None:
    """Tell whoever waits for a scorecard of the session that none will come."""
    if repository.fail_queued(session_id, _GIVEN_UP.format(job_id=job_id)):
        announce(session_id)


def _visible(actor: Actor, session: SessionHead | None) -> SessionHead:
    if session is None or not _may_see(actor, session.owner_id):
        raise NotFound("There is no such session.")
    return session


def _may_see(actor: Actor, owner_id: UUID) -> bool:
    return actor.role.at_least(Role.manager) or actor.user_id == owner_id


def _why_no_grade(session: SessionHead) -> str:
    if session.status == "not_gradable":
        return f"This call could not be graded: {session.not_gradable_reason}."
    if session.status == "failed":
        return "The grading of this call failed, so there is nothing to put on a scorecard."
    return "This session has no grade yet. Ask again when its status is completed."


def _answer(export: ExportRow) -> ExportAnswer:
    answer = ExportAnswer.model_validate(export)
    if export.state != "ready" or export.object_key is None:
        return answer
    storage = object_storage()
    name = file_name(export.rep_name, export.called_at)
    return answer.model_copy(
        update={
            "url": storage.presigned_get(export.object_key, storage.link_seconds, name, PDF),
            "url_expires_at": now() + timedelta(seconds=storage.link_seconds),
        }
    )


def file_name(rep_name: str, called_at: datetime) -> str:
    """`scorecard-maya-chen-2026-11-24.pdf`; letters of any script stay, the day is in UTC."""
    name = re.sub(r"[\W_]+", "-", rep_name.lower())[:_LONGEST_NAME].strip("-")
    day = called_at.astimezone(UTC).date().isoformat()
    return "-".join(part for part in ("scorecard", name, day) if part) + ".pdf"
