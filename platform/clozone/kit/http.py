"""Small readings of HTTP headers."""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from clozone.kit.clock import now

LONGEST_RETRY_AFTER_SECONDS = 3_600.0


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to wait (`retry-after`, as a number or a date), an hour at most.

    None when it does not say, or not in a way that can be read. Names are in lower case.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now()).total_seconds()
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
