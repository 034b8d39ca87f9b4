"""What the caller of a write may do by now.

An access token keeps the role it was made with until it expires. That must not be enough to take
back what was taken away: who changes accounts is looked up again, in the transaction of the change.
"""

from dataclasses import replace

from clozone.accounts.refusals import InvalidToken
from clozone.accounts.repository import profiles
from clozone.kit.errors import Forbidden
from clozone.web.identity import Actor, Role


def as_stored(actor: Actor, *, least: Role = Role.rep) -> Actor:
    """The caller with the lower of the credential's role and the stored one; for an API key, its
    maker's. Whoever acts stays as they are until the transaction ends.

    Takes the organisation's lock, then the person's: writes to the accounts of one organisation
    happen in turn, or two people who change each other would wait for each other. Raises
    InvalidToken for a deactivated person, Forbidden below the role `least`.
    """
    if actor.user_id is None:
        raise Forbidden("Only a person of this organisation, or a key they made, can do this.")
    profiles.lock_organization(actor.org_id)
    person = profiles.lock(actor.user_id)
    if person is None or not person.active:
        raise InvalidToken("This account is deactivated.")
    role = lower(actor.role, Role(person.role))
    if not role.at_least(least):
        raise Forbidden(f"This needs the role {least.value}; yours is {role.value}.")
    return replace(actor, role=role)


def require_person(actor: Actor, what: str) -> None:
    """Raise Forbidden for an API key: `what`, as "set passwords", would outgrow its limits."""
    if actor.api_key_id is not None:
        raise Forbidden(f"An API key cannot {what}. Sign in as an administrator.")


def lower(one: Role, other: Role) -> Role:
    """The one of two roles that may do less."""
    return other if one.at_least(other) else one
