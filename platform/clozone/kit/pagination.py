"""Keyset pages: newest first, by (created_at, id), with an opaque cursor for the place to go on.

A page costs the same however deep it lies, and rows that arrive meanwhile shift nothing.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from clozone.kit.errors import Invalid

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
MAX_CURSOR_LENGTH = 200
_CHECK_BYTES = 6

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: that of the row with this time (aware) and id."""

    created_at: datetime
    id: UUID


class PageQuery(BaseModel):
    """The query of every list; a slice's own filters inherit from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Most items of one page.")
    cursor: str | None = Field(
        None,
        max_length=MAX_CURSOR_LENGTH,
        description="`next_cursor` of the page before; leave it out for the first page.",
    )

    def position(self, list_name: str) -> Position | None:
        """Where the page begins: after this row, or None for the first. Raises Invalid."""
        return None if self.cursor is None else decode_cursor(self.cursor, list_name)


class Page(BaseModel, Generic[T]):
    """Some items of a list, and the cursor of the rest; null when there is no more."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_serialization_defaults_required=True,
        arbitrary_types_allowed=True,  # a service's page holds rows; only answers are validated
    )

    items: list[T]
    next_cursor: str | None = None


def page_of(
    rows: Sequence[R], limit: int, list_name: str, position: Callable[[R], Position]
) -> Page[R]:
    """The page of `rows`, of which the query fetched `limit + 1` to see whether more follow."""
    shown = list(rows[:limit])
    more = len(rows) > limit
    cursor = encode_cursor(position(shown[-1]), list_name) if more else None
    # Validation happens once, when the answer takes its shape.
    return Page.model_construct(items=shown, next_cursor=cursor)


def encode_cursor(position: Position, list_name: str) -> str:
    """The cursor of a place in the list `list_name`, for instance "users"."""
    payload = json.dumps([position.created_at.isoformat(), position.id.hex]).encode()
    return base64.urlsafe_b64encode(_check(payload, list_name) + payload).decode().rstrip("=")


def decode_cursor(cursor: str, list_name: str) -> Position:
    """The place a cursor stands for. Raises Invalid for a broken one and for another list's."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, payload = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check != _check(payload, list_name):
            raise _not_a_cursor()
        created_at, row_id = json.loads(payload)
        return Position(datetime.fromisoformat(created_at), UUID(row_id))
    except (binascii.Error, UnicodeError, ValueError, TypeError, AttributeError):
        raise _not_a_cursor() from None


def _check(payload: bytes, list_name: str) -> bytes:
    """Against mistakes, not against malice: a forged place shows nobody else's rows."""
    return hashlib.sha256(list_name.encode() + b"\0" + payload).digest()[:_CHECK_BYTES]


def _not_a_cursor() -> Invalid:
    message = "is not a cursor of this list: use next_cursor as it was given"
    return Invalid(f"cursor {message}.", errors=[{"field": "cursor", "message": message}])
