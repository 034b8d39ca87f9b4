"""Rates as people write them: `100 per 15 minutes`."""

import re
from dataclasses import dataclass

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_RATE = re.compile(
    r"\s*([1-9][0-9]{0,8})\s*(?:per|/)\s*(?:([1-9][0-9]{0,4})\s*)?(second|minute|hour|day)s?\s*",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in such a window, in seconds."""

    quota: int
    window_seconds: int


def read_rate(text: str) -> Rate:
    """The rate in `10 per minute`, `100 per 15 minutes` or `5/second`.

    Raises ValueError, which says how to write one.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no rate. Write a number, `per`, and a time in seconds, minutes, hours or "
            "days, for instance `100 per 15 minutes`."
        )
    quota, units, unit = match.groups()
    return Rate(int(quota), int(units or 1) * _SECONDS[unit.lower()])
