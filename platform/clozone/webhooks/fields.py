"""Reading JSON that others wrote: a field of the wrong type counts as absent. Nothing here raises."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from clozone.sessions.voice_messages import number

_LONGEST_NAME = 200
_LEAST_MILLISECONDS = 100_000_000_000
# What lies outside is a default or a unit mistaken for another, not the time of a call.
_YEARS = range(2000, 2200)


def at(source: object, path: str) -> Any:
    """The value at a dotted path such as "call.assistantOverrides.metadata", or None."""
    for key in path.split("."):
        if not isinstance(source, Mapping):
            return None
        source = source.get(key)
    return source


def mapping_at(source: object, path: str) -> Mapping[str, Any]:
    """The object at the path, or an empty one."""
    value = at(source, path)
    return value if isinstance(value, Mapping) else {}


def first_text(source: object, *paths: str) -> str | None:
    """The first non-blank string at any of the paths."""
    return next((v for v in _at_any(source, paths) if isinstance(v, str) and v.strip()), None)


def first_name(source: object, *paths: str) -> str | None:
    """As `first_text`, for identifiers and codes: stripped, at most 200 characters, no NUL."""
    for value in _at_any(source, paths):
        if isinstance(value, str):
            name = value.replace("\0", "").strip()
            if name and len(name) <= _LONGEST_NAME:
                return name
    return None


def first_number(source: object, *paths: str) -> float | None:
    """The first finite number at any of the paths; booleans are no numbers."""
    return next((n for v in _at_any(source, paths) if (n := number(v)) is not None), None)


def first_moment(source: object, *paths: str) -> datetime | None:
    """The first time at any of the paths, from RFC 3339 text or epoch (milli)seconds, in UTC."""
    return next((m for v in _at_any(source, paths) if (m := moment(v)) is not None), None)


def first_uuid(source: object, *paths: str) -> UUID | None:
    """The first UUID at any of the paths."""
    return next((u for v in _at_any(source, paths) if (u := _uuid(v)) is not None), None)


def decimal(value: object) -> Decimal | None:
    """The number as it was written, exactly: 0.1 is one tenth, not the float beside it."""
    return None if number(value) is None else Decimal(str(value))


def moment(value: object) -> datetime | None:
    """An aware UTC time between 2000 and 2199; text without an offset is taken as UTC."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value.strip())
            found = read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC)
        else:
            epoch = number(value) or 0.0
            seconds = epoch / 1000 if epoch >= _LEAST_MILLISECONDS else epoch
            found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.year in _YEARS else None


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def _at_any(source: object, paths: tuple[str, ...]) -> Iterator[Any]:
    return (at(source, path) for path in paths)
