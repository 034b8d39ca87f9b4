"""Who is asked to practise what, until when. Reps see theirs, managers their organisation's."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from clozone.accounts import audit
from clozone.accounts.repository import profiles
from clozone.kit.clock import now
from clozone.kit.errors import Conflict, Forbidden, Invalid, NotFound
from clozone.kit.pagination import Page, Position, page_of
from clozone.models.training import Assignment
from clozone.training.repository import assignments
from clozone.training.schemas import (
    AssignmentAnswer,
    AssignmentChange,
    AssignmentFilter,
    NewAssignment,
)
from clozone.training.service.templates import require_usable
from clozone.web.identity import Actor, Role

LIST: Final = "assignments"


def list_page(actor: Actor, query: AssignmentFilter) -> Page[AssignmentAnswer]:
    """The assignments the caller may see, newest first."""
    if not _sees_all(actor):
        if query.user_id not in (None, actor.user_id):
            return Page.model_construct(items=[], next_cursor=None)
        query = query.model_copy(update={"user_id": actor.user_id})
    rows = assignments.page(
        query.position(LIST),
        query.limit,
        user_id=query.user_id,
        template_id=query.template_id,
        archived=query.archived,
    )
    named = [_named(row) for row in rows]
    return page_of(named, query.limit, LIST, lambda row: Position(row.created_at, row.id))


def read(actor: Actor, assignment_id: UUID) -> AssignmentAnswer:
    """One assignment. Raises NotFound also for one the caller may not see."""
    found = assignments.named(assignment_id)
    if found is None or not (_sees_all(actor) or found.user_id == actor.user_id):
        raise _not_there()
    return _named(found)


def create(actor: Actor, new: NewAssignment) -> AssignmentAnswer:
    """Ask an active person to practise a template in use.

    Raises NotFound when either is not of this organisation, Conflict when either is out of use,
    Invalid for a due time in the past.
    """
    if actor.user_id is None:
        raise Forbidden("Only a person of this organisation can assign practice.")
    template = require_usable(new.template_id)
    user = profiles.by_id(new.user_id)
    if user is None:
        raise NotFound("There is no such person.")
    if not user.active:
        raise Conflict("This person is deactivated.")
    _require_future(new.due_at)
    assignment_id = assignments.add(
        org_id=user.org_id,
        template_id=template.id,
        user_id=user.id,
        created_by=actor.user_id,
        title=new.title or template.name,
        instructions=new.instructions,
        due_at=new.due_at,
        target_score=new.target_score,
    )
    details = {"user_id": str(user.id), "template_id": str(template.id)}
    audit.record(actor, "assignment.created", "assignment", assignment_id, details)
    return read(actor, assignment_id)


def change(actor: Actor, assignment_id: UUID, changes: AssignmentChange) -> AssignmentAnswer:
    """Change an assignment, and return the new state.

    Raises NotFound, Conflict if it is archived, Invalid for a due time in the past.
    """
    assignment = _locked(assignment_id)
    if assignment.archived_at is not None:
        raise Conflict("This assignment is archived. Restore it before changing it.")
    wanted = {
        name: getattr(changes, name)
        for name in changes.model_fields_set
        if getattr(changes, name) != getattr(assignment, name)
    }
    _require_future(wanted.get("due_at"))
    if wanted:
        assignments.change(assignment_id, **wanted)
        details = {"fields": sorted(wanted)}
        audit.record(actor, "assignment.changed", "assignment", assignment_id, details)
    return read(actor, assignment_id)


def archive(actor: Actor, assignment_id: UUID) -> AssignmentAnswer:
    """Take an assignment off the list; twice is the same as once. Raises NotFound."""
    if _locked(assignment_id).archived_at is None:
        assignments.change(assignment_id, archived_at=now())
        audit.record(actor, "assignment.archived", "assignment", assignment_id)
    return read(actor, assignment_id)


def restore(actor: Actor, assignment_id: UUID) -> AssignmentAnswer:
    """Put an archived assignment back on the list. Raises NotFound."""
    if _locked(assignment_id).archived_at is not None:
        assignments.change(assignment_id, archived_at=None)
        audit.record(actor, "assignment.restored", "assignment", assignment_id)
    return read(actor, assignment_id)


def _sees_all(actor: Actor) -> bool:
    return actor.role.at_least(Role.manager)


def _locked(assignment_id: UUID) -> Assignment:
    assignment = assignments.lock(assignment_id)
    if assignment is None:
        raise _not_there()
    return assignment


def _require_future(due_at: datetime | None) -> None:
    if due_at is not None and due_at <= now():
        finding = {"field": "due_at", "message": "is in the past"}
        raise Invalid("due_at is in the past.", errors=[finding])


def _named(row: Any) -> AssignmentAnswer:
    return AssignmentAnswer(
        id=row.id,
        template_id=row.template_id,
        template_name=row.template.name,
        user_id=row.user_id,
        user_name=row.user.full_name,
        created_by=row.created_by,
        title=row.title,
        instructions=row.instructions,
        due_at=row.due_at,
        target_score=row.target_score,
        completed_at=row.completed_at,
        archived_at=row.archived_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _not_there() -> NotFound:
    return NotFound("There is no such assignment.")
