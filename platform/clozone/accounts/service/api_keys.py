"""API keys: credentials for machines, acting for the person who made them.

A key may never do more than its maker: its role counts only up to theirs, and it stops when they
are deactivated.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from clozone.accounts import audit
from clozone.accounts.refusals import InvalidToken
from clozone.accounts.repository import api_keys
from clozone.accounts.service.acting import as_stored, lower
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.errors import Forbidden, Invalid, NotFound
from clozone.kit.pagination import Page, PageQuery, Position, page_of
from clozone.models.accounts import ApiKey
from clozone.web.identity import Actor, Role

PREFIX: Final = "cz_"
LIST: Final = "api-keys"
_NOTE_USE_EVERY = timedelta(minutes=1)
_SECRET_BYTES = 32


def actor_of(key: str) -> Actor:
    """Who an API key speaks for. Opens its own unit of work. Raises InvalidToken."""
    with unit_of_work(Scope.platform()):
        row = api_keys.with_maker(_hash(key))
        if row is None:
            raise InvalidToken("The API key is not known.")
        found, maker = row
        if found.revoked_at is not None:
            raise InvalidToken("The API key was revoked.")
        if found.expires_at is not None and found.expires_at <= now():
            raise InvalidToken("The API key has expired.")
        if not maker.active:
            raise InvalidToken("Who made this API key is deactivated.")
        if found.last_used_at is None or now() - found.last_used_at > _NOTE_USE_EVERY:
            api_keys.note_use(found.id, _NOTE_USE_EVERY)
        return Actor(
            user_id=maker.id,
            org_id=found.org_id,
            role=lower(Role(found.role), Role(maker.role)),
            api_key_id=found.id,
            scopes=frozenset(found.scopes),
        )


def create(
    actor: Actor, *, name: str, role: Role, scopes: list[str], expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """A new key and its text, which is not kept and cannot be shown again.

    Raises Forbidden for more rights than the caller has by now, InvalidToken if they were
    deactivated, Invalid for an expiry in the past.
    """
    actor = as_stored(actor, least=Role.admin)
    if not actor.role.at_least(role):
        raise Forbidden(f"A key cannot have the role {role.value}; yours is {actor.role.value}.")
    if missing := [scope for scope in scopes if not actor.may(scope)]:
        raise Forbidden(f"Your API key cannot give away what it lacks: {', '.join(missing)}.")
    if expires_at is not None and expires_at <= now():
        raise Invalid(
            "expires_at is in the past.",
            errors=[{"field": "expires_at", "message": "is in the past"}],
        )
    prefix = secrets.token_hex(4)
    text = f"{PREFIX}{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    key = api_keys.add(
        org_id=actor.org_id,
        created_by=actor.user_id,
        name=name,
        prefix=PREFIX + prefix,
        key_hash=_hash(text),
        role=role.value,
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    audit.record(
        actor, "api_key.created", "api_key", key.id, {"role": role.value, "scopes": key.scopes}
    )
    return key, text


def list_page(query: PageQuery) -> Page[ApiKey]:
    """The organisation's keys, newest first, ended ones included."""
    rows = api_keys.page(query.position(LIST), query.limit)
    return page_of(rows, query.limit, LIST, lambda row: Position(row.created_at, row.id))


def revoke(actor: Actor, key_id: UUID) -> None:
    """End a key at once; ending it again changes nothing. Raises NotFound.

    Like `create` it raises Forbidden for who is no administrator any more, InvalidToken for who was
    deactivated.
    """
    actor = as_stored(actor, least=Role.admin)
    if api_keys.by_id(key_id) is None:
        raise NotFound("There is no such API key.")
    if api_keys.revoke(key_id):
        audit.record(actor, "api_key.revoked", "api_key", key_id)


def _hash(key: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).digest()
