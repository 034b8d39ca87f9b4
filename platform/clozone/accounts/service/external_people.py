"""Whom another issuer's token speaks of: always somebody who has an account here."""

from clozone.accounts import audit
from clozone.accounts.external import ExternalIdentity
from clozone.accounts.refusals import InvalidToken, NoAccount
from clozone.accounts.repository import profiles
from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.accounts import Profile
from clozone.web.identity import Actor, Role


def actor_of(identity: ExternalIdentity) -> Actor:
    """The person behind a proven identity; role and organisation are those of our profile.

    Somebody seen for the first time is found by verified e-mail address, and bound. Opens its own
    unit of work. Raises NoAccount, or InvalidToken for a deactivated person.
    """
    with unit_of_work(Scope.platform()):
        person = profiles.by_subject(identity.subject) or _bound(identity)
        if not person.active:
            raise InvalidToken("This account is deactivated.")
        return Actor(person.id, person.org_id, Role(person.role))


def _bound(identity: ExternalIdentity) -> Profile:
    if identity.verified_email is None:
        raise NoAccount(
            "Nobody here is bound to this sign-in, and its issuer does not vouch for an e-mail "
            "address. Ask an operator to bind the account."
        )
    person = profiles.by_email(identity.verified_email)
    if person is None:
        raise NoAccount("Nobody with this e-mail address has an account. Ask an administrator.")
    if not profiles.bind(person.id, identity.subject):
        # Bound meanwhile by another request of the same person, or long since to another sign-in.
        same = profiles.by_subject(identity.subject)
        if same is None:
            raise NoAccount("The account with this e-mail address is bound to another sign-in.")
        return same
    actor = Actor(person.id, person.org_id, Role(person.role))
    audit.record(actor, "user.bound", "user", person.id, org_id=person.org_id)
    return person
