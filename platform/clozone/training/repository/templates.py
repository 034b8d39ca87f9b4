"""Templates and the versions of their rubrics."""

from typing import Any
from uuid import UUID

from peewee import fn

from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.kit.pagination import Position
from clozone.models import keyset
from clozone.models.training import Rubric, Template


def by_id(template_id: UUID) -> Template | None:
    """The template, archived or not, if there is one in scope."""
    return Template.get_or_none(Template.id == template_id)


def lock(template_id: UUID) -> Template | None:
    """The template, locked: changes of one template happen in turn."""
    query: Any = Template.select().where(Template.id == template_id)
    found: Template | None = query.for_update("FOR NO KEY UPDATE").first()
    return found


def with_rubric(template_id: UUID) -> tuple[Template, Rubric] | None:
    """The template and its current rubric, in one statement."""
    found = _joined(Template, Rubric).where(Template.id == template_id).first()
    return (found, found.rubric) if found else None


def add(org_id: UUID, rubric: dict[str, Any], content_hash: bytes, **values: Any) -> UUID:
    """A new template with version 1 of its rubric; its id."""
    template_id, rubric_id = new_id(), new_id()
    Template.create(id=template_id, org_id=org_id, rubric_id=rubric_id, **values)
    Rubric.create(
        id=rubric_id,
        org_id=org_id,
        template_id=template_id,
        version=1,
        body=rubric,
        content_hash=content_hash,
    )
    return template_id


def add_rubric(template: Template, body: dict[str, Any], content_hash: bytes) -> Rubric:
    """The next version of a locked template's rubric, not yet its current one."""
    newest = Rubric.select(fn.MAX(Rubric.version)).where(Rubric.template_id == template.id).scalar()
    return Rubric.create(
        org_id=template.org_id,
        template_id=template.id,
        version=newest + 1,
        body=body,
        content_hash=content_hash,
    )


def rubric(rubric_id: UUID) -> Rubric | None:
    """One version of a rubric."""
    return Rubric.get_or_none(Rubric.id == rubric_id)


def change(template_id: UUID, **values: Any) -> None:
    """Change a template."""
    Template.update(**values, updated_at=now()).where(Template.id == template_id).execute()


def page(
    after: Position | None, limit: int, *, archived: bool, created_by: UUID | None
) -> list[Any]:
    """One page and a row more; each has `rubric.version`, and no rubric body."""
    query = _joined(Template, Rubric.id, Rubric.version)
    query = query.where(Template.archived_at.is_null(not archived))
    if created_by is not None:
        query = query.where(Template.user_id == created_by)
    return list(keyset.page(query, Template, after, limit))


def _joined(*columns: Any) -> Any:
    query: Any = Template.select(*columns)
    return query.join(Rubric, on=(Template.rubric_id == Rubric.id), attr="rubric")
