"""People."""

from typing import Any
from uuid import UUID

from peewee import fn

from clozone.kit.clock import now
from clozone.kit.pagination import Position
from clozone.models import keyset
from clozone.models.accounts import Organization, Profile
from clozone.web.identity import Role


def by_id(user_id: UUID) -> Profile | None:
    """The person, if there is one in scope."""
    return Profile.get_or_none(Profile.id == user_id)


def by_email(email: str) -> Profile | None:
    """The person with this address, whatever its case."""
    return Profile.get_or_none(fn.LOWER(Profile.email) == email.lower())


def by_subject(subject: str) -> Profile | None:
    """The person bound to another issuer's subject."""
    return Profile.get_or_none(Profile.external_subject == subject)


def organization(org_id: UUID) -> Organization | None:
    """The organisation, if it is in scope."""
    return Organization.get_or_none(Organization.id == org_id)


def lock(user_id: UUID) -> Profile | None:
    """The person, locked until the transaction ends: changes of one account happen in turn."""
    found: Profile | None = _locked(Profile.select().where(Profile.id == user_id)).first()
    return found


def lock_organization(org_id: UUID) -> None:
    """Make changes of who leads an organisation happen in turn."""
    _locked(Organization.select(Organization.id).where(Organization.id == org_id)).first()


def add(**values: Any) -> Profile:
    """A new person. Raises IntegrityError if the e-mail address is taken."""
    return Profile.create(**values)


def change(user_id: UUID, **values: Any) -> Profile:
    """Change a person that exists, and return the new state."""
    query = Profile.update(**values, updated_at=now()).where(Profile.id == user_id)
    changed: Profile = next(iter(query.returning(Profile).execute()))
    return changed


def bind(user_id: UUID, subject: str) -> bool:
    """Bind a person to another issuer's subject; False if bound already."""
    unbound = (Profile.id == user_id) & Profile.external_subject.is_null()
    query = Profile.update(external_subject=subject, updated_at=now()).where(unbound)
    return bool(query.execute())


def note_login(user_id: UUID, verified_hash: str, new_hash: str | None) -> Profile | None:
    """Note a sign-in, unless person or password changed since `verified_hash` was checked."""
    same = (Profile.id == user_id) & Profile.active & (Profile.password_hash == verified_hash)
    query = Profile.update(last_login_at=now(), password_hash=new_hash or verified_hash)
    return next(iter(query.where(same).returning(Profile).execute()), None)


def others_who_lead(user_id: UUID, org_id: UUID) -> bool:
    """Whether another active person of the organisation is an administrator or higher."""
    leads = Profile.role.in_([role.value for role in Role if role.at_least(Role.admin)])
    return (
        Profile.select(Profile.id)
        .where((Profile.org_id == org_id) & (Profile.id != user_id) & Profile.active & leads)
        .exists()
    )


def page(
    after: Position | None,
    limit: int,
    *,
    only: UUID | None = None,
    role: Role | None = None,
    active: bool | None = None,
    search: str | None = None,
) -> list[Profile]:
    """One page and a row more; `search` is the beginning of a name or an e-mail address."""
    query = Profile.select()
    if only is not None:
        query = query.where(Profile.id == only)
    if role is not None:
        query = query.where(Profile.role == role.value)
    if active is not None:
        query = query.where(Profile.active == active)
    if search:
        query = query.where(Profile.full_name.startswith(search) | Profile.email.startswith(search))
    return list(keyset.page(query, Profile, after, limit))


def everybody() -> list[Profile]:
    """All people in scope, by organisation and age. For the command line."""
    return list(Profile.select().order_by(Profile.org_id, Profile.created_at, Profile.id))


def _locked(query: Any) -> Any:
    """The rows locked against changes, but not against new rows that refer to them."""
    return query.for_update("FOR NO KEY UPDATE")
