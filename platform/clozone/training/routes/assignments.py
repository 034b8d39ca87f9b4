"""Assignments: /api/assignments."""

from uuid import UUID

from quart import Blueprint

from clozone.kit.errors import Conflict, NotFound
from clozone.kit.pagination import Page
from clozone.training.schemas import (
    AssignmentAnswer,
    AssignmentChange,
    AssignmentFilter,
    NewAssignment,
)
from clozone.training.service import assignments
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_read
from clozone.web.operation import operation

blueprint = Blueprint("assignments", __name__, url_prefix="/api/assignments")


@blueprint.get("")
@operation(allow=Role.rep, query=AssignmentFilter, returns={200: Page[AssignmentAnswer]})
async def list_assignments(actor: Actor, query: AssignmentFilter) -> Page[AssignmentAnswer]:
    """List assignments, newest first: a rep's own, a manager's whole organisation."""
    return await offload_read(assignments.list_page, actor, query)


@blueprint.post("")
@operation(
    allow=Role.manager,
    body=NewAssignment,
    returns={201: AssignmentAnswer},
    errors=(Conflict, NotFound),
)
async def create_assignment(actor: Actor, body: NewAssignment) -> AssignmentAnswer:
    """Ask a person to practise a template."""
    return await offload(assignments.create, actor, body)


@blueprint.get("/<uuid:assignment_id>")
@operation(allow=Role.rep, returns={200: AssignmentAnswer})
async def read_assignment(actor: Actor, assignment_id: UUID) -> AssignmentAnswer:
    """Read one assignment."""
    return await offload(assignments.read, actor, assignment_id)


@blueprint.patch("/<uuid:assignment_id>")
@operation(
    allow=Role.manager, body=AssignmentChange, returns={200: AssignmentAnswer}, errors=(Conflict,)
)
async def change_assignment(
    actor: Actor, assignment_id: UUID, body: AssignmentChange
) -> AssignmentAnswer:
    """Change title, instructions, due time or target score."""
    return await offload(assignments.change, actor, assignment_id, body)


@blueprint.post("/<uuid:assignment_id>/archive")
@operation(allow=Role.manager, returns={200: AssignmentAnswer})
async def archive_assignment(actor: Actor, assignment_id: UUID) -> AssignmentAnswer:
    """Take an assignment off the list."""
    return await offload(assignments.archive, actor, assignment_id)


@blueprint.post("/<uuid:assignment_id>/restore")
@operation(allow=Role.manager, returns={200: AssignmentAnswer})
async def restore_assignment(actor: Actor, assignment_id: UUID) -> AssignmentAnswer:
    """Put an archived assignment back on the list."""
    return await offload(assignments.restore, actor, assignment_id)
