"""Practice scenarios. A rubric never changes: another one becomes the template's next version."""

from typing import Any, Final
from uuid import UUID

from clozone.accounts import audit
from clozone.infra.postgres import current_scope
from clozone.kit.clock import now
from clozone.kit.errors import Conflict, NotFound
from clozone.kit.pagination import Page, Position, page_of
from clozone.models.training import Rubric as RubricRow
from clozone.models.training import Template
from clozone.training.repository import templates
from clozone.training.rubric import Rubric
from clozone.training.schemas import (
    NewTemplate,
    TemplateAnswer,
    TemplateChange,
    TemplateFilter,
    TemplateSummary,
)
from clozone.web.identity import Actor

LIST: Final = "templates"


def list_page(query: TemplateFilter) -> Page[TemplateSummary]:
    """The organisation's templates, newest first."""
    rows = templates.page(
        query.position(LIST),
        query.limit,
        archived=query.archived,
        created_by=query.created_by,
    )
    listed = [TemplateSummary(**_facts(row, row.rubric)) for row in rows]
    return page_of(listed, query.limit, LIST, lambda row: Position(row.created_at, row.id))


def read(template_id: UUID) -> TemplateAnswer:
    """A template, archived or not, with its current rubric. Raises NotFound."""
    found = templates.with_rubric(template_id)
    if found is None:
        raise _not_there()
    template, rubric = found
    return TemplateAnswer(
        **_facts(template, rubric),
        scenario=template.scenario,
        first_message=template.first_message,
        vapi_assistant_id=template.vapi_assistant_id,
        rubric=rubric.body,
    )


def require_usable(template_id: UUID) -> Template:
    """The template, for work that begins with it. Raises NotFound, Conflict if it is archived."""
    template = templates.by_id(template_id)
    if template is None:
        raise NotFound("There is no such template.")
    if template.archived_at is not None:
        raise Conflict("This template is archived. Restore it or choose another.")
    return template


def create(actor: Actor | None, new: NewTemplate, *, owner_id: UUID) -> UUID:
    """Add a template with version 1 of its rubric; its id.

    `owner_id` is the person it is listed under; `actor` None is the command line.
    """
    org_id = current_scope().org_id
    if org_id is None:
        raise RuntimeError("a template belongs to an organisation: use a tenant's scope")
    values = {name: getattr(new, name) for name in NewTemplate.model_fields if name != "rubric"}
    body, content_hash = _stored(new.rubric)
    template_id = templates.add(org_id, body, content_hash, user_id=owner_id, **values)
    audit.record(actor, "template.created", "template", template_id, {"rubric_version": 1})
    return template_id


def change(actor: Actor, template_id: UUID, changes: TemplateChange) -> TemplateAnswer:
    """Change a template, and return the new state. Raises NotFound, Conflict if archived.

    A rubric that differs from the current one becomes the next version; sessions begun before keep
    theirs.
    """
    template = _locked(template_id)
    if template.archived_at is not None:
        raise Conflict("This template is archived. Restore it before changing it.")
    wanted = {name: getattr(changes, name) for name in changes.model_fields_set}
    rubric = wanted.pop("rubric", None)
    wanted = {name: value for name, value in wanted.items() if value != getattr(template, name)}
    details: dict[str, Any] = {}
    if rubric is not None and (added := _next_version(template, rubric)):
        wanted["rubric_id"] = added.id
        details["rubric_version"] = added.version
    if wanted:
        templates.change(template_id, **wanted)
        details["fields"] = sorted(name.removesuffix("_id") for name in wanted)
        audit.record(actor, "template.changed", "template", template_id, details)
    return read(template_id)


def archive(actor: Actor, template_id: UUID) -> TemplateAnswer:
    """Take a template out of use; twice is the same as once. Raises NotFound."""
    if _locked(template_id).archived_at is None:
        templates.change(template_id, archived_at=now())
        audit.record(actor, "template.archived", "template", template_id)
    return read(template_id)


def restore(actor: Actor, template_id: UUID) -> TemplateAnswer:
    """Take a template back into use. Raises NotFound."""
    if _locked(template_id).archived_at is not None:
        templates.change(template_id, archived_at=None)
        audit.record(actor, "template.restored", "template", template_id)
    return read(template_id)


def _locked(template_id: UUID) -> Template:
    template = templates.lock(template_id)
    if template is None:
        raise _not_there()
    return template


def _next_version(template: Template, rubric: Rubric) -> RubricRow | None:
    body, content_hash = _stored(rubric)
    current = templates.rubric(template.rubric_id)
    if current is not None and bytes(current.content_hash) == content_hash:
        return None
    return templates.add_rubric(template, body, content_hash)


def _stored(rubric: Rubric) -> tuple[dict[str, Any], bytes]:
    return rubric.model_dump(mode="json"), rubric.content_hash()


def _facts(template: Template, rubric: RubricRow) -> dict[str, Any]:
    return {
        "id": template.id,
        "name": template.name,
        "description": template.description,
        "rubric_id": rubric.id,
        "rubric_version": rubric.version,
        "created_by": template.user_id,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
        "archived_at": template.archived_at,
    }


def _not_there() -> NotFound:
    return NotFound("There is no such template.")
