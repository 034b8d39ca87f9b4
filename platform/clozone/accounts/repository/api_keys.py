"""API keys, by the hash of what the machine holds."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from clozone.kit.clock import now
from clozone.kit.pagination import Position
from clozone.models import keyset
from clozone.models.accounts import ApiKey, Profile


def with_maker(key_hash: bytes) -> tuple[ApiKey, Profile] | None:
    """The key with this hash and who made it, in one statement."""
    query = (
        ApiKey.select(ApiKey, Profile)
        .join(Profile, on=(ApiKey.created_by == Profile.id), attr="maker")
        .where(ApiKey.key_hash == key_hash)
    )
    found = query.first()
    return (found, found.maker) if found else None


def by_id(key_id: UUID) -> ApiKey | None:
    """The key, if there is one in scope."""
    return ApiKey.get_or_none(ApiKey.id == key_id)


def add(**values: Any) -> ApiKey:
    """A new key."""
    return ApiKey.create(**values)


def note_use(key_id: UUID, every: timedelta) -> None:
    """Note a use, unless one was noted less than `every` ago."""
    stale = ApiKey.last_used_at.is_null() | (ApiKey.last_used_at < now() - every)
    ApiKey.update(last_used_at=now()).where((ApiKey.id == key_id) & stale).execute()


def revoke(key_id: UUID) -> bool:
    """End a key; False if it had ended before."""
    live = (ApiKey.id == key_id) & ApiKey.revoked_at.is_null()
    return bool(ApiKey.update(revoked_at=now()).where(live).execute())


def page(after: Position | None, limit: int) -> list[ApiKey]:
    """One page and a row more."""
    return list(keyset.page(ApiKey.select(), ApiKey, after, limit))
