"""Asking for a session's scorecard, and fetching it."""

from uuid import UUID

from quart import Blueprint

from clozone.exports import service
from clozone.exports.schemas import ExportAnswer
from clozone.kit.errors import Conflict
from clozone.kit.pagination import Page, PageQuery
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_read
from clozone.web.operation import operation

blueprint = Blueprint("exports", __name__, url_prefix="/api")


@blueprint.post("/sessions/<uuid:session_id>/exports")
@operation(allow=Role.rep, returns={202: ExportAnswer}, errors=(Conflict,))
async def request_export(actor: Actor, session_id: UUID) -> tuple[ExportAnswer, dict[str, str]]:
    """Ask for the scorecard of a graded session.

    The answer is the export to poll. If the scorecard of the present grade and review is there
    already, it is ready at once. Reps may ask for their own sessions, managers for any.
    """
    export = await offload(service.request_export, actor, session_id)
    return export, {"Location": f"/api/exports/{export.id}"}


@blueprint.get("/sessions/<uuid:session_id>/exports")
@operation(allow=Role.rep, query=PageQuery, returns={200: Page[ExportAnswer]})
async def list_exports(actor: Actor, session_id: UUID, query: PageQuery) -> Page[ExportAnswer]:
    """The exports of a session, newest first: earlier grades and reviews keep their scorecards."""
    return await offload_read(service.list_exports, actor, session_id, query)


@blueprint.get("/exports/<uuid:export_id>")
@operation(allow=Role.rep, returns={200: ExportAnswer})
async def read_export(actor: Actor, export_id: UUID) -> ExportAnswer:
    """How far an export is; once it is ready, a link that downloads it without a sign-in."""
    return await offload(service.read_export, actor, export_id)
