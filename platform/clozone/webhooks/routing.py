"""Which session a delivery belongs to. The ids it carries are claims, checked against our rows.

In this order: the session of the call; the session that the metadata names, if no other call has
it; a new session for the person that the metadata names. The secret proves that Vapi sent the
message, not that the browser which started the call wrote true metadata: so ids must exist and
agree with one another.
"""

from typing import Any
from uuid import UUID

from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.accounts import Profile
from clozone.models.training import Assignment, Template, TrainingSession
from clozone.webhooks.envelope import References
from clozone.webhooks.vapi import CallUpdate


class Unplaced(Exception):
    """A delivery that belongs to no session; `state` and `reason` say what that means."""

    def __init__(self, state: str, reason: str, session_id: UUID | None = None) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason
        self.session_id = session_id


def session_of(update: CallUpdate) -> UUID:
    """The id of the session that this message is about, found or made, and locked by the caller's
    unit of work. Raises Unplaced.
    """
    named = _found(TrainingSession.id, update.references.session_id, update.references)
    session = _found(TrainingSession.vapi_call_id, update.call_id, update.references)
    if session is None:
        session = named if named and _may_be_its_call(named, update) else _make(update, named)
    if session.deleted_at is not None:
        raise Unplaced("ignored", "session_deleted", session.id)
    return UUID(str(session.id))


def _found(column: Any, value: object, claims: References) -> TrainingSession | None:
    """The session with this value, if the claims agree with it.

    Locked, so that of two calls which begin at once under one session each sees what the other did.
    """
    if value is None:
        return None
    query: Any = TrainingSession.select().where(column == value)
    session: TrainingSession | None = query.for_update("FOR NO KEY UPDATE").get_or_none()
    if session is None:
        return None
    if claims.org_id not in (None, session.org_id) or claims.user_id not in (None, session.user_id):
        raise Unplaced("dead", "the metadata's organisation or user is not the session's")
    return session


def _may_be_its_call(session: TrainingSession, update: CallUpdate) -> bool:
    # The browser may start a second call with the metadata of the first; it gets its own session.
    return update.call_id is None or session.vapi_call_id is None


def _make(update: CallUpdate, sibling: TrainingSession | None) -> TrainingSession:
    """A session for a call that was started without one, or as a sibling's second call."""
    references = update.references
    user_id = sibling.user_id if sibling else references.user_id
    if user_id is None and references.org_id is None:
        if references.session_id is not None:
            raise Unplaced("dead", "the metadata names no session of ours")
        raise Unplaced("ignored", "not_a_training_call")
    person: Profile | None = Profile.get_or_none(Profile.id == user_id) if user_id else None
    if person is None or references.org_id not in (None, person.org_id):
        raise Unplaced("dead", "the metadata names no user of that organisation")
    if update.call_id is None:
        raise Unplaced("dead", "no call id and no session to attach to")
    template = _template(update, person.org_id, sibling)
    moment = now()
    row = {
        "id": new_id(),
        "org_id": person.org_id,
        "user_id": person.id,
        "template_id": template.id if template else None,
        "rubric_id": template.rubric_id if template else None,
        "scenario": template.scenario if template else None,
        "assignment_id": _assignment_id(references, person, template),
        "vapi_call_id": update.call_id,
        "status": "pending",
        "submitted_for_review": False,
        "created_at": moment,
        "updated_at": moment,
    }
    # Two messages of one call may arrive here at once; the second finds what the first made.
    TrainingSession.insert(row).on_conflict(action="ignore").execute()
    return TrainingSession.get(TrainingSession.vapi_call_id == update.call_id)


def _template(update: CallUpdate, org_id: UUID, sibling: TrainingSession | None) -> Template | None:
    wanted = sibling.template_id if sibling else update.references.template_id
    own = Template.select().where(Template.org_id == org_id)
    if wanted is not None:
        found: Template | None = own.where(Template.id == wanted).get_or_none()
        return found
    if update.assistant_id is None:
        return None
    candidates: list[Template] = list(
        own.where(
            Template.vapi_assistant_id == update.assistant_id, Template.archived_at.is_null()
        ).limit(2)
    )
    # Two templates with one assistant leave open which was practised.
    return candidates[0] if len(candidates) == 1 else None


def _assignment_id(
    references: References, person: Profile, template: Template | None
) -> UUID | None:
    if references.assignment_id is None or template is None:
        return None
    found: UUID | None = (
        Assignment.select(Assignment.id)
        .where(
            Assignment.id == references.assignment_id,
            Assignment.user_id == person.id,
            Assignment.template_id == template.id,
        )
        .scalar()
    )
    return found
