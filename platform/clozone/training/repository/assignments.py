"""Assignments, with the names of template and person."""

from typing import Any
from uuid import UUID

from clozone.kit.clock import now
from clozone.kit.pagination import Position
from clozone.models import keyset
from clozone.models.accounts import Profile
from clozone.models.training import Assignment, Template


def lock(assignment_id: UUID) -> Assignment | None:
    """The assignment, locked: changes of one assignment happen in turn."""
    query: Any = Assignment.select().where(Assignment.id == assignment_id)
    found: Assignment | None = query.for_update("FOR NO KEY UPDATE").first()
    return found


def named(assignment_id: UUID) -> Any:
    """The assignment with `template.name` and `user.full_name`, or None."""
    return _named().where(Assignment.id == assignment_id).first()


def add(**values: Any) -> UUID:
    """A new assignment; its id."""
    assignment_id: UUID = Assignment.create(**values).id
    return assignment_id


def change(assignment_id: UUID, **values: Any) -> None:
    """Change an assignment."""
    query = Assignment.update(**values, updated_at=now())
    query.where(Assignment.id == assignment_id).execute()


def page(
    after: Position | None,
    limit: int,
    *,
    user_id: UUID | None,
    template_id: UUID | None,
    archived: bool,
) -> list[Any]:
    """One page and a row more, each as `named` gives it, in one statement."""
    query = _named().where(Assignment.archived_at.is_null(not archived))
    if user_id is not None:
        query = query.where(Assignment.user_id == user_id)
    if template_id is not None:
        query = query.where(Assignment.template_id == template_id)
    return list(keyset.page(query, Assignment, after, limit))


def _named() -> Any:
    query: Any = Assignment.select(Assignment, Template.name, Profile.full_name)
    return (
        query.join(Template, on=(Assignment.template_id == Template.id), attr="template")
        .switch(Assignment)
        .join(Profile, on=(Assignment.user_id == Profile.id), attr="user")
    )
