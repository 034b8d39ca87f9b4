"""How long work waits for its turn at the database: counts per pool, and a sum per request.

Counting costs two additions and a search among nine numbers; nothing is locked, because each pool
is counted on the event loop alone.
"""

from bisect import bisect_left
from contextvars import ContextVar
from dataclasses import dataclass, field

# Upper bounds in seconds; what waited longer falls into one more bucket.
BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(slots=True)
class PoolWaits:
    """The waits for one pool since the process began, in seconds.

    `buckets[i]` counts the waits of at most `BUCKETS[i]` and more than the bound before; the last
    one counts the longer ones. `refused` counts those that gave up, which are in no bucket.
    """

    count: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    refused: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def add(self, seconds: float) -> None:
        """Count a wait that ended with a turn."""
        self.count += 1
        self.seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        _tell_request(seconds)

    def refuse(self, seconds: float) -> None:
        """Count a wait that ended without one."""
        self.refused += 1
        _tell_request(seconds)


@dataclass(slots=True)
class RequestWait:
    """How long one request has waited for the database so far, seconds."""

    seconds: float = 0.0


request_wait: ContextVar[RequestWait | None] = ContextVar("request_wait", default=None)


def _tell_request(seconds: float) -> None:
    request = request_wait.get()
    if request is not None:
        request.seconds += seconds
