"""Time, always aware and in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def from_epoch_ms(milliseconds: float) -> datetime:
    """An aware UTC time from milliseconds since the epoch, the unit Vapi uses."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def iso(moment: datetime) -> str:
    """RFC 3339 with milliseconds and `Z`, the one format of our JSON."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
