"""Refresh tokens, by the hash of what the client holds."""

from datetime import datetime
from typing import Any
from uuid import UUID

from clozone.kit.clock import now
from clozone.models.accounts import RefreshToken


def by_hash(token_hash: bytes) -> RefreshToken | None:
    """The token with this hash, of any organisation in scope."""
    return RefreshToken.get_or_none(RefreshToken.token_hash == token_hash)


def add(
    *, org_id: UUID, user_id: UUID, family_id: UUID, token_hash: bytes, expires_at: datetime
) -> None:
    """A new link of a family's chain."""
    RefreshToken.create(
        org_id=org_id,
        user_id=user_id,
        family_id=family_id,
        token_hash=token_hash,
        expires_at=expires_at,
    )


def mark_used(token_id: UUID) -> None:
    """The first use; a second one within the grace leaves the time alone."""
    unused = (RefreshToken.id == token_id) & RefreshToken.used_at.is_null()
    RefreshToken.update(used_at=now()).where(unused).execute()


def revoke_family(family_id: UUID) -> int:
    """End one sign-in, on whatever devices its tokens went; how many tokens that ended."""
    return _revoke(RefreshToken.family_id == family_id)


def revoke_all(user_id: UUID) -> int:
    """End every sign-in of a person; how many tokens that ended."""
    return _revoke(RefreshToken.user_id == user_id)


def delete_expired(user_id: UUID) -> None:
    """Clear away what can no longer be used."""
    expired = (RefreshToken.user_id == user_id) & (RefreshToken.expires_at < now())
    RefreshToken.delete().where(expired).execute()


def _revoke(which: Any) -> int:
    live = which & RefreshToken.revoked_at.is_null()
    return int(RefreshToken.update(revoked_at=now()).where(live).execute())
