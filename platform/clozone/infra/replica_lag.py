"""How far a replica is behind, measured with one clock: that of whoever asks.

Each time the primary is asked, its position in the write-ahead log is noted with the moment. A
replica that has replayed up to some position is as far behind as the last moment at which the
primary was not yet further than that. So an idle primary makes no lag, and no server's clock
matters.
"""

from collections import deque

# Longer than any bound that makes sense; past it the lag is only known to be longer.
HISTORY_SECONDS = 600.0


class LagGauge:
    """The primary's positions over time, and a replica's lag against them; times in seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw_primary(self, at: float, position: int) -> None:
        """Note where the primary was at the moment `at`, a monotonic clock's."""
        if self._seen and position < self._seen[-1][1]:
            # Another server, or the same one restored: what was seen before says nothing any more.
            self._seen.clear()
        self._seen.append((at, position))
        while at - self._seen[0][0] > HISTORY_SECONDS:
            self._seen.popleft()

    def lag(self, at: float, replayed: int) -> float | None:
        """How far behind a replica that has `replayed` so much is at the moment `at`.

        None when it is further behind than anything that was seen here.
        """
        if not self._seen or self._seen[0][1] > replayed:
            return None
        while len(self._seen) > 1 and self._seen[1][1] <= replayed:
            self._seen.popleft()
        newest_at = self._seen[-1][0]
        if len(self._seen) == 1:
            # It is where the primary was last seen; what came since is not known.
            return at - newest_at
        return at - self._seen[0][0]
