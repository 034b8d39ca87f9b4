"""`clozone bootstrap`: the demonstration's organisation, people and templates."""

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import click

from clozone.accounts.passwords import hash_password
from clozone.accounts.repository import profiles
from clozone.accounts.service import users
from clozone.cli.accounts import platform
from clozone.demo.content import demo_templates
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization
from clozone.settings import Settings
from clozone.training.schemas import NewTemplate, TemplateFilter
from clozone.training.service import templates
from clozone.web.identity import Role

ORGANIZATION: Final = "Clozone Demo"
# Key in the file → e-mail address, name, role. The operator's address marks the organisation.
PEOPLE: Final = {
    "operator": ("operator@clozone.example", "Olivia Operator", Role.operator),
    "manager": ("manager@clozone.example", "Marek Manager", Role.manager),
    "rep": ("rep@clozone.example", "Rita Rep", Role.rep),
    "rep_2": ("rep2@clozone.example", "Ruben Rep", Role.rep),
}
_VAPI_HEADERS: Final = {
    "bearer": "Authorization",
    "secret": "X-Vapi-Secret",
    "hmac": "x-signature",
}
_PASSWORD_BYTES = 18


@click.command()
@click.option(
    "--credentials",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where addresses and passwords are written, mode 0600.",
)
def bootstrap(file: Path) -> None:
    """Make the demo organisation, and write down how to sign in.

    Safe to repeat: what is there stays. If the file was lost, its accounts get new passwords.
    """
    with platform() as settings:
        click.echo(_ensure(settings, file))


def _ensure(settings: Settings, file: Path) -> str:
    """Bring database and file to where they belong; what was done, in words."""
    with unit_of_work(Scope.platform()):
        operator = profiles.by_email(PEOPLE["operator"][0])
    written = _read(file)
    facts = {"base_url": settings.public_url, "vapi": _vapi(settings)}
    if operator and written and written.get("organization_id") == str(operator.org_id):
        if written | facts == written:
            return "nothing to do"
        _write(file, written | facts)
        return f"addresses brought up to date in {file}"
    passwords = {key: secrets.token_urlsafe(_PASSWORD_BYTES) for key in PEOPLE}
    hashes = {key: hash_password(password) for key, password in passwords.items()}
    org_id = operator.org_id if operator else new_id()
    with unit_of_work(Scope.tenant(org_id)):
        if operator is None:
            Organization.create(id=org_id, name=ORGANIZATION)
        ids = {key: _ensure_person(key, hashes[key]) for key in PEOPLE}
        template_ids = _ensure_templates(ids["manager"])
    people = {
        key: {"email": email, "password": passwords[key]} for key, (email, *_) in PEOPLE.items()
    }
    ids_in_file = {"organization_id": str(org_id), "template_ids": [str(i) for i in template_ids]}
    _write(file, facts | ids_in_file | people)
    return f"{'new passwords' if operator else 'demo organisation'} written to {file}"


def _ensure_person(key: str, password_hash: str) -> UUID:
    email, full_name, role = PEOPLE[key]
    person = profiles.by_email(email)
    if person is None:
        person = users.create(
            None, email=email, full_name=full_name, role=role, password_hash=password_hash
        )
    else:
        users.set_password(None, person.id, password_hash)
    return person.id


def _ensure_templates(owner_id: UUID) -> list[UUID]:
    """The demo's templates, in its order; found by name, made where they are missing."""
    listed = templates.list_page(TemplateFilter(limit=100)).items
    there = {template.name: template.id for template in listed}
    return [
        there.get(demo.name)
        or templates.create(
            None,
            NewTemplate.model_validate(demo.model_dump(exclude={"key"})),
            owner_id=owner_id,
        )
        for demo in demo_templates()
    ]


def _vapi(settings: Settings) -> dict[str, str]:
    header = settings.vapi_webhook_header or _VAPI_HEADERS[settings.vapi_webhook_auth]
    return {"header": header, "secret": settings.vapi_webhook_secret.get_secret_value()}


def _read(file: Path) -> dict[str, Any] | None:
    """What the file says; None if it is missing, broken or incomplete."""
    try:
        written = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    complete = isinstance(written, dict) and {*PEOPLE, "template_ids"} <= written.keys()
    return written if complete else None


def _write(file: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, so that nobody ever reads half of it."""
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(json.dumps(content, indent=2) + "\n")
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
