"""Practice templates: /api/templates."""

from uuid import UUID

from quart import Blueprint

from clozone.kit.errors import Conflict, Forbidden
from clozone.kit.pagination import Page
from clozone.training.schemas import (
    NewTemplate,
    TemplateAnswer,
    TemplateChange,
    TemplateFilter,
    TemplateSummary,
)
from clozone.training.service import templates
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_read
from clozone.web.operation import operation

blueprint = Blueprint("templates", __name__, url_prefix="/api/templates")


@blueprint.get("")
@operation(allow=Role.rep, query=TemplateFilter, returns={200: Page[TemplateSummary]})
async def list_templates(actor: Actor, query: TemplateFilter) -> Page[TemplateSummary]:
    """List the organisation's templates, newest first."""
    return await offload_read(templates.list_page, query)


@blueprint.post("")
@operation(allow=Role.manager, body=NewTemplate, returns={201: TemplateAnswer})
async def create_template(actor: Actor, body: NewTemplate) -> TemplateAnswer:
    """Add a template with the first version of its rubric."""
    return await offload(_create, actor, body)


@blueprint.get("/<uuid:template_id>")
@operation(allow=Role.rep, returns={200: TemplateAnswer})
async def read_template(actor: Actor, template_id: UUID) -> TemplateAnswer:
    """Read a template with its current rubric."""
    return await offload(templates.read, template_id)


@blueprint.patch("/<uuid:template_id>")
@operation(
    allow=Role.manager, body=TemplateChange, returns={200: TemplateAnswer}, errors=(Conflict,)
)
async def change_template(actor: Actor, template_id: UUID, body: TemplateChange) -> TemplateAnswer:
    """Change a template.

    Another rubric becomes the next version; sessions that exist keep the one they began with.
    """
    return await offload(templates.change, actor, template_id, body)


@blueprint.post("/<uuid:template_id>/archive")
@operation(allow=Role.manager, returns={200: TemplateAnswer})
async def archive_template(actor: Actor, template_id: UUID) -> TemplateAnswer:
    """Archive a template: nothing new begins with it, what exists stays."""
    return await offload(templates.archive, actor, template_id)


@blueprint.post("/<uuid:template_id>/restore")
@operation(allow=Role.manager, returns={200: TemplateAnswer})
async def restore_template(actor: Actor, template_id: UUID) -> TemplateAnswer:
    """Take an archived template back into use."""
    return await offload(templates.restore, actor, template_id)


def _create(actor: Actor, new: NewTemplate) -> TemplateAnswer:
    if actor.user_id is None:
        raise Forbidden("Only a person of this organisation can add a template.")
    return templates.read(templates.create(actor, new, owner_id=actor.user_id))
