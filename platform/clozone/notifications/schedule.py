"""When a message that was not taken is sent again: 8 times in all, over about 24 hours."""

import random
from datetime import timedelta

# Seconds from one failure to the next attempt: 5 s, 5 min, 30 min, 2 h, 4 h, 6 h, 11.5 h.
DELAYS = (5.0, 300.0, 1_800.0, 7_200.0, 14_400.0, 21_600.0, 41_400.0)
MOST_ATTEMPTS = len(DELAYS) + 1
JITTER = 0.1

# What an open circuit has held back for so long, counted from the series' begin, is given up.
LONGEST_SERIES = timedelta(hours=36)


def delay_after(failures: int, retry_after: float | None = None) -> float | None:
    """Seconds until the next attempt after the n-th failure, or None if there is none.

    Up to a tenth longer or shorter, so that what failed together does not come back together; never
    sooner than the receiver asked for (`retry_after`, seconds).
    """
    if failures > len(DELAYS):
        return None
    delay = DELAYS[failures - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(delay, retry_after or 0.0)
