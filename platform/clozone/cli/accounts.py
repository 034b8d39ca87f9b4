"""`clozone user` and `clozone token`: people, from the machine itself.

The command line is trusted: whoever may read the settings may do anything, also make operators.
Without `DATABASE_URL` the bundle that runs in `CLOZONE_HOME` is meant.
"""

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import click
from peewee import IntegrityError

from clozone.accounts import audit
from clozone.accounts.passwords import hash_password
from clozone.accounts.repository import profiles
from clozone.accounts.schemas import NewUser, PasswordChange, UserAnswer, UserChange
from clozone.accounts.service import users
from clozone.accounts.tokens import AccessTokens, WeakSecret
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.errors import DomainError
from clozone.kit.ids import new_id
from clozone.local.attach import connected
from clozone.local.errors import BundleError
from clozone.models.accounts import Organization, Profile
from clozone.settings import Settings
from clozone.web.identity import Role
from clozone.web.validation import validated

_PASSWORD_BYTES = 18
_from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password; without it one is made and printed."
)


@contextmanager
def platform() -> Iterator[Settings]:
    """The settings and the open database of the platform that is meant; refusals as one sentence.

    That is the one the environment describes, or else the bundle that runs in `CLOZONE_HOME`.
    """
    try:
        with connected() as settings:
            yield settings
    except (BundleError, DomainError, WeakSecret) as error:
        raise click.ClickException(str(error)) from None


@click.group()
def user() -> None:
    """People: add, list, set a password, deactivate, bind to another sign-in."""


@user.command()
@click.argument("email")
@click.option("--name", required=True, help="Full name.")
@click.option("--role", type=click.Choice([*Role]), default=Role.rep.value, show_default=True)
@click.option("--organization", type=click.UUID, help="Id of the organisation to add them to.")
@click.option("--new-organization", metavar="NAME", help="Make this organisation for them.")
@_from_stdin
def create(
    *,
    email: str,
    name: str,
    role: str,
    organization: UUID | None,
    new_organization: str | None,
    password_stdin: bool,
) -> None:
    """Add a person, to an organisation that exists or to a new one."""
    if (organization is None) == (new_organization is None):
        raise click.UsageError("Give either --organization ID or --new-organization NAME.")
    password = _password(password_stdin)
    with platform():
        fields = {"email": email, "full_name": name, "role": role, "password": password}
        new = validated(lambda: NewUser.model_validate(fields))
        hashed = hash_password(password)
        org_id = organization or new_id()
        with unit_of_work(Scope.tenant(org_id)):
            if new_organization is not None:
                Organization.create(id=org_id, name=new_organization)
            elif profiles.organization(org_id) is None:
                raise click.ClickException(f"There is no organisation {org_id}.")
            made = users.create(
                None,
                email=new.email,
                full_name=new.full_name,
                role=new.role,
                password_hash=hashed,
            )
        _print(made, password=None if password_stdin else password)


@user.command("list")
@click.option("--organization", type=click.UUID, help="Only this organisation's people.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_people(organization: UUID | None, as_json: bool) -> None:
    """List people, of every organisation unless one is named."""
    scope = Scope.tenant(organization) if organization else Scope.platform()
    with platform(), unit_of_work(scope):
        people = [_facts(person) for person in profiles.everybody()]
    if as_json:
        click.echo(json.dumps(people, indent=2))
        return
    for person in people:
        state = "" if person["active"] else "  (deactivated)"
        click.echo(f"{person['id']}  {person['role']:<8}  {person['email']}{state}")


@user.command("set-password")
@click.argument("email")
@_from_stdin
def set_password(email: str, password_stdin: bool) -> None:
    """Set a password; it ends every sign-in of the person."""
    password = _password(password_stdin)
    with platform():
        validated(lambda: PasswordChange.model_validate({"password": password}))
        hashed = hash_password(password)
        person = _person(email)
        with unit_of_work(Scope.tenant(person.org_id)):
            users.set_password(None, person.id, hashed)
        _print(person, password=None if password_stdin else password)


@user.command()
@click.argument("email")
def deactivate(email: str) -> None:
    """Deactivate a person; it ends every sign-in of theirs."""
    with platform():
        person = _person(email)
        with unit_of_work(Scope.tenant(person.org_id)):
            changed = users.change(None, person.id, UserChange(active=False))
        _print(changed)


@user.command()
@click.argument("email")
@click.option("--issuer", required=True, help="The `iss` of their tokens.")
@click.option("--subject", required=True, help="The `sub` of their tokens.")
def bind(email: str, issuer: str, subject: str) -> None:
    """Let a person in with another issuer's tokens; it replaces an earlier binding."""
    with platform():
        person = _person(email)
        try:
            with unit_of_work(Scope.tenant(person.org_id)):
                changed = profiles.change(person.id, external_subject=f"{issuer}|{subject}")
                audit.record(None, "user.bound", "user", person.id)
        except IntegrityError:
            raise click.ClickException("Somebody else is bound to this subject.") from None
        _print(changed)


@click.group()
def token() -> None:
    """Access tokens."""


@token.command()
@click.argument("email")
@click.option("--seconds", type=click.IntRange(1, 86_400), help="Lifetime; default as configured.")
def issue(email: str, seconds: int | None) -> None:
    """Print an access token of an active person, for scripts."""
    with platform() as settings:
        tokens = AccessTokens(settings)
        person = _person(email)
        if not person.active:
            raise click.ClickException(f"{email} is deactivated.")
        role = Role(person.role)
        click.echo(tokens.issue(person.id, person.org_id, role, lifetime_seconds=seconds))


def _person(email: str) -> Profile:
    with unit_of_work(Scope.platform()):
        found = profiles.by_email(email)
    if found is None:
        raise click.ClickException(f"Nobody has the e-mail address {email}.")
    return found


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def _facts(person: Profile) -> dict[str, Any]:
    return UserAnswer.model_validate(person).model_dump(mode="json")


def _print(person: Profile, **more: str | None) -> None:
    shown = {key: value for key, value in more.items() if value is not None}
    click.echo(json.dumps(_facts(person) | shown, indent=2))
