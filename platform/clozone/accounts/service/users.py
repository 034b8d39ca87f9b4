"""People of an organisation: who may see and change whom.

Reps see themselves, managers and higher the organisation. Managers look after reps; administrators
after everybody up to their own role. One active administrator always stays. An API key makes
nobody who could sign in and be free of its scopes: no passwords, no role above rep.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from peewee import IntegrityError

from clozone.accounts import audit
from clozone.accounts.refusals import InvalidToken
from clozone.accounts.repository import profiles, refresh_tokens
from clozone.accounts.schemas import UserChange, UserFilter
from clozone.accounts.service.acting import as_stored, require_person
from clozone.infra.postgres import current_scope
from clozone.kit.errors import Conflict, Forbidden, NotFound
from clozone.kit.pagination import Page, Position, page_of
from clozone.models.accounts import Organization, Profile
from clozone.web.identity import Actor, Role

LIST: Final = "users"


@dataclass(frozen=True, slots=True)
class Me:
    """The caller and their organisation."""

    id: UUID
    email: str
    full_name: str
    role: Role
    org_id: UUID
    organization: Organization


def me(actor: Actor) -> Me:
    """The caller as stored now. Raises InvalidToken if they were deactivated."""
    user = profiles.by_id(actor.user_id) if actor.user_id else None
    if user is None or not user.active:
        raise InvalidToken("This account is deactivated.")
    organization = profiles.organization(user.org_id)
    if organization is None:
        raise NotFound("There is no such organisation.")
    return Me(user.id, user.email, user.full_name, Role(user.role), user.org_id, organization)


def list_page(actor: Actor, query: UserFilter) -> Page[Profile]:
    """The people the caller may see, newest first."""
    rows = profiles.page(
        query.position(LIST),
        query.limit,
        only=None if _sees_all(actor) else actor.user_id,
        role=query.role,
        active=query.active,
        search=query.search,
    )
    return page_of(rows, query.limit, LIST, lambda row: Position(row.created_at, row.id))


def read(actor: Actor, user_id: UUID) -> Profile:
    """One person. Raises NotFound also for whom the caller may not see."""
    user = profiles.by_id(user_id) if _sees_all(actor) or user_id == actor.user_id else None
    if user is None:
        raise _nobody()
    return user


def create(
    actor: Actor | None, *, email: str, full_name: str, role: Role, password_hash: str | None
) -> Profile:
    """Add a person to the organisation in use; `actor` None is the command line.

    Raises Forbidden for a role the caller may not give, Conflict for an address in use.
    """
    if actor is not None:
        actor = as_stored(actor, least=Role.manager)
        _require_may_give(actor, role)
        if password_hash is not None:
            require_person(actor, "set passwords")
    try:
        user = profiles.add(
            org_id=current_scope().org_id,
            email=email,
            full_name=full_name,
            role=role.value,
            password_hash=password_hash,
        )
    except IntegrityError:
        raise Conflict("This e-mail address is in use already.") from None
    audit.record(actor, "user.created", "user", user.id, {"role": role.value})
    return user


def change(actor: Actor | None, user_id: UUID, changes: UserChange) -> Profile:
    """Change a person, and return the new state; `actor` None is the command line.

    Deactivating ends every sign-in of the person. Raises NotFound, Forbidden, and Conflict where
    the organisation would lose its last administrator.
    """
    wanted = {name: getattr(changes, name) for name in changes.model_fields_set}
    if actor is not None:
        actor = as_stored(actor, least=_least_for(actor, user_id))
    elif {"role", "active"} & wanted.keys():
        _take_turns()
    user = profiles.lock(user_id)
    if user is None:
        raise _nobody()
    if actor is not None:
        _require_may_change(actor, user, wanted)
    before = {name: getattr(user, name) for name in wanted}
    wanted = {name: value for name, value in wanted.items() if value != before[name]}
    if not wanted:
        return user
    _require_somebody_leads(user, wanted)
    if wanted.get("active") is False:
        refresh_tokens.revoke_all(user_id)
    changed = profiles.change(user_id, **wanted)
    facts = {name: wanted[name] for name in wanted if name != "full_name"}
    audit.record(actor, _action(wanted), "user", user_id, {"fields": sorted(wanted), **facts})
    return changed


def set_password(actor: Actor | None, user_id: UUID, password_hash: str) -> None:
    """Set a person's password and end every sign-in of theirs.

    Raises NotFound and Forbidden as `change` does.
    """
    if actor is not None:
        actor = as_stored(actor, least=_least_for(actor, user_id))
    user = profiles.lock(user_id)
    if user is None:
        raise _nobody()
    if actor is not None:
        require_person(actor, "set passwords")
        if actor.user_id != user_id:
            _require_looks_after(actor, user)
    profiles.change(user_id, password_hash=password_hash)
    refresh_tokens.revoke_all(user_id)
    audit.record(actor, "user.password_set", "user", user_id)


def _sees_all(actor: Actor) -> bool:
    return actor.role.at_least(Role.manager)


def _least_for(actor: Actor, user_id: UUID) -> Role:
    """Who could see others when they signed in is told what they lack, not that nobody is there."""
    return Role.manager if _sees_all(actor) and actor.user_id != user_id else Role.rep


def _nobody() -> NotFound:
    return NotFound("There is no such person.")


def _take_turns() -> None:
    org_id = current_scope().org_id
    if org_id is not None:
        profiles.lock_organization(org_id)


def _require_may_give(actor: Actor, role: Role) -> None:
    if not actor.role.at_least(role):
        raise Forbidden(f"You cannot give the role {role.value}; yours is {actor.role.value}.")
    if role is not Role.rep and not actor.role.at_least(Role.admin):
        raise Forbidden("Managers can add reps; other roles need an administrator.")
    if role is not Role.rep:
        require_person(actor, "give a role above rep")


def _require_looks_after(actor: Actor, user: Profile) -> None:
    """Raise unless the caller may change this other person."""
    if not _sees_all(actor):
        raise _nobody()
    role = Role(user.role)
    if not actor.role.at_least(role) or (role is not Role.rep and actor.role is Role.manager):
        raise Forbidden(f"You cannot change somebody with the role {role.value}.")


def _require_may_change(actor: Actor, user: Profile, wanted: dict[str, Any]) -> None:
    if actor.user_id != user.id:
        _require_looks_after(actor, user)
    elif {"role", "active"} & wanted.keys() and not actor.role.at_least(Role.admin):
        raise Forbidden("You cannot change your own role or deactivate yourself.")
    if "role" in wanted:
        if not actor.role.at_least(Role.admin):
            raise Forbidden("Changing a role needs an administrator.")
        _require_may_give(actor, wanted["role"])


def _require_somebody_leads(user: Profile, wanted: dict[str, Any]) -> None:
    leads = user.active and Role(user.role).at_least(Role.admin)
    stays = wanted.get("active", user.active) and Role(wanted.get("role", user.role)).at_least(
        Role.admin
    )
    if leads and not stays and not profiles.others_who_lead(user.id, user.org_id):
        raise Conflict("This is the organisation's last active administrator. Make another first.")


def _action(wanted: dict[str, Any]) -> str:
    if wanted.get("active") is False:
        return "user.deactivated"
    return "user.changed"
