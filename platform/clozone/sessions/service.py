"""Sessions as people use them: start, list, read, change. Reps see their own, managers all."""

from collections.abc import Sequence
from uuid import UUID

from clozone.infra.records import Record
from clozone.jobs.kinds import UNFINISHED
from clozone.kit.errors import Conflict, Forbidden, NotFound
from clozone.kit.pagination import Page, Position, page_of
from clozone.models.training import Assignment, Template, TrainingSession
from clozone.sessions import repository
from clozone.sessions.rollup import changing
from clozone.sessions.schemas import (
    AssistantOverrides,
    CallMetadata,
    SessionChange,
    SessionQuery,
    SessionStart,
    StartedSession,
    VapiCall,
)
from clozone.settings import Settings
from clozone.web.identity import Actor, Role

LIST = "sessions"
ENDED = frozenset({"completed", "not_gradable", "failed"})
NO_SUCH_SESSION = "There is no such session."


def start_session(settings: Settings, actor: Actor, body: SessionStart) -> StartedSession:
    """A new session of the caller, graded later against the rubric the template has now.

    Raises NotFound for a template or assignment that is not there (or not the caller's), Conflict
    for one that is archived or does not fit, Forbidden for a key that stands for nobody.
    """
    user_id = _person(actor)
    template = Template.get_or_none(Template.id == body.template_id)
    if template is None:
        raise NotFound("There is no such template.")
    if template.archived_at is not None:
        raise Conflict("This template is archived. Choose another one.")
    if body.assignment_id is not None:
        _check_assignment(body.assignment_id, user_id, template.id)
    session = TrainingSession.create(
        org_id=actor.org_id,
        user_id=user_id,
        template_id=template.id,
        assignment_id=body.assignment_id,
        rubric_id=template.rubric_id,
        scenario=template.scenario,
    )
    metadata = CallMetadata(
        session_id=session.id,
        org_id=actor.org_id,
        user_id=user_id,
        template_id=template.id,
        assignment_id=body.assignment_id,
    )
    return StartedSession(
        id=session.id,
        status=session.status,
        created_at=session.created_at,
        vapi=_vapi_call(settings, template, metadata),
    )


def list_sessions(actor: Actor, query: SessionQuery) -> Page[Record]:
    """A page of the sessions the caller may see, newest first."""
    rows = repository.session_page(query, only_user(actor), query.position(LIST))
    return page_of(rows, query.limit, LIST, lambda row: Position(row["created_at"], row["id"]))


def read_session(actor: Actor, session_id: UUID) -> Record:
    """Everything about a session, in the shape of SessionDetail. Raises NotFound."""
    row = _visible(actor, repository.session_detail(session_id))
    is_manager = actor.role.at_least(Role.manager)
    jobs, exports = repository.jobs_and_exports(session_id)
    return row | {
        "call": {
            "vapi_call_id": row["vapi_call_id"],
            "ended_reason": row["ended_reason"],
            "summary": row["call_summary"],
            "cost_microdollars": row["call_cost_microdollars"] if is_manager else None,
            "has_recording": row["has_recording"],
        },
        "grade": None if row["grade_id"] is None else row | {"created_at": row["graded_at"]},
        "reviews": repository.reviews(session_id),
        "pipeline": [job if is_manager else job | {"last_error": None} for job in jobs],
        "exports": exports,
    }


def read_progress(actor: Actor, session_id: UUID) -> Record:
    """Where a session stands, in the shape of SessionProgress. Raises NotFound."""
    # In this order: a step's outcome and the job of the next step commit together, so the jobs are
    # never older than the session.
    row = _visible(actor, repository.session_item(session_id))
    jobs, exports = repository.jobs_and_exports(session_id)
    return {
        "session_id": row["id"],
        "status": row["status"],
        "not_gradable_reason": row["not_gradable_reason"],
        "score": row["score"],
        "passed": row["passed"],
        "steps": jobs,
        "scorecard": exports[0]["state"] if exports else None,
        "finished": row["status"] in ENDED and _none_unfinished(jobs),
    }


def change_session(actor: Actor, session_id: UUID, change: SessionChange) -> Record:
    """The session as lists show it, with what was given changed. Raises NotFound."""
    own = only_user(actor)
    with changing(session_id) as session:
        if own is not None and session.user_id != own:
            raise NotFound(NO_SUCH_SESSION)
        for field in change.model_fields_set:
            setattr(session, field, getattr(change, field))
    return _visible(actor, repository.session_item(session_id))


def only_user(actor: Actor) -> UUID | None:
    """Whose sessions the caller may see: a rep's own, or None for all of the organisation."""
    return None if actor.role.at_least(Role.manager) else _person(actor)


def _person(actor: Actor) -> UUID:
    if actor.user_id is None:
        raise Forbidden("This API key stands for no person, so it has no sessions of its own.")
    return actor.user_id


def _visible(actor: Actor, row: Record | None) -> Record:
    own = only_user(actor)
    if row is None or (own is not None and row["user_id"] != own):
        raise NotFound(NO_SUCH_SESSION)
    return row


def _none_unfinished(jobs: Sequence[Record]) -> bool:
    return all(job["state"] not in UNFINISHED for job in jobs)


def _check_assignment(assignment_id: UUID, user_id: UUID, template_id: UUID) -> None:
    assignment = Assignment.get_or_none(Assignment.id == assignment_id)
    if assignment is None or assignment.user_id != user_id:
        raise NotFound("There is no such assignment of yours.")
    if assignment.archived_at is not None:
        raise Conflict("This assignment is archived.")
    if assignment.template_id != template_id:
        raise Conflict("This assignment is for another template.")


def _vapi_call(settings: Settings, template: Template, metadata: CallMetadata) -> VapiCall:
    return VapiCall(
        public_key=settings.vapi_public_key,
        assistant_id=template.vapi_assistant_id or settings.vapi_assistant_id,
        assistant_overrides=AssistantOverrides(
            metadata=metadata,
            variable_values={"scenario": template.scenario, "template_name": template.name},
            first_message=template.first_message or None,
        ),
        metadata=metadata,
    )
