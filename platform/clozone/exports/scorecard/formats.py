"""Numbers and times as the page writes them. English, and independent of the locale."""

from datetime import UTC, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clock(seconds: float) -> str:
    """`75.4` → `01:15`, `3725` → `1:02:05`; negative counts as zero."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def day(moment: datetime) -> str:
    """`24 Nov 2026`, in UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def day_and_time(moment: datetime) -> str:
    """`24 Nov 2026, 09:04 UTC`."""
    return f"{day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def number(value: float) -> str:
    """At most one decimal, none when it is zero: `22.5`, `24`."""
    return f"{value:.1f}".removesuffix(".0")


def percent(fraction: float) -> str:
    """`0.432` → `43%`."""
    return f"{fraction:.0%}"


def clip(text: str, limit: int) -> str:
    """`text`, or its first characters and an ellipsis when it is longer than `limit`."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
