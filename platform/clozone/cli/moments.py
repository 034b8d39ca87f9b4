"""Times on the command line: a date, a time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from clozone.kit.clock import now

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """`2026-11-24`, `2026-11-24T10:00`, with an offset or else in UTC; `90m`, `2h`, `3d` is ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An aware UTC time."""
        if isinstance(value, datetime):
            return value
        try:
            if ago := _AGO.fullmatch(value):
                return now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time; write 2026-11-24T10:00, or 2h for two hours ago")


MOMENT = Moment()
