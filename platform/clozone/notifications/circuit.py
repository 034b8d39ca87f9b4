"""The circuit breaker of an endpoint: after some failures in a row it is left alone for a while.

Its state is four columns of the endpoint's row, so that every worker sees the same. While it is
open nothing is sent there; then one message goes through to see (half-open), and what becomes of it
closes the circuit or opens it for longer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

THRESHOLD = 5
# How long it stays open the first time, the second, …; the last from then on.
OPEN_SECONDS = (60.0, 300.0, 900.0, 1_800.0, 3_600.0)

# Failures before a silence as long as this say nothing about now.
QUIET = timedelta(days=2)
# With nothing but failures for so long an endpoint is disabled.
LONGEST_FAILING = timedelta(days=5)

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` in a row, since when, the latest, and until when the endpoint is left alone."""

    failures: int = 0
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    open_until: datetime | None = None

    def state(self, moment: datetime) -> State:
        """Whether messages go through at `moment`: all, none, or one to see."""
        if self.open_until is None:
            return "closed"
        return "open" if moment < self.open_until else "half_open"

    def after_failure(
        self, moment: datetime, *, probe: bool, retry_after: float | None = None
    ) -> "Circuit":
        """The circuit after an attempt that failed at `moment`.

        `probe`: it was the one that was let through. `retry_after`: the seconds that the receiver
        asked for; they hold for all messages to it. What was sent before the circuit opened and
        fails afterwards does not count, since a burst counts once, but may ask for more patience.
        """
        if self.open_until is not None and not probe:
            asked_for = moment + timedelta(seconds=retry_after or 0.0)
            if not retry_after or asked_for <= self.open_until:
                return self
            return replace(self, failed_at=moment, open_until=asked_for)
        goes_on = self.failed_at is not None and moment - self.failed_at <= QUIET
        failures = self.failures + 1 if goes_on else 1
        pause = max(_open_seconds(failures), retry_after or 0.0)
        return Circuit(
            failures=failures,
            failing_since=self.failing_since if goes_on else moment,
            failed_at=moment,
            open_until=moment + timedelta(seconds=pause) if pause else None,
        )

    def after_success(self, sent_at: datetime) -> "Circuit":
        """The circuit after the success of a message sent at `sent_at`: closed.

        Unless it opened since: that the receiver asked for patience, or fails, is newer knowledge.
        """
        opened_since = self.failed_at is not None and sent_at < self.failed_at
        return self if self.open_until is not None and opened_since else Circuit()

    def beyond_hope(self, moment: datetime) -> bool:
        """Whether nothing has succeeded for so long that the endpoint is to be disabled."""
        return self.failing_since is not None and moment - self.failing_since >= LONGEST_FAILING


def _open_seconds(failures: int) -> float:
    if failures < THRESHOLD:
        return 0.0
    return OPEN_SECONDS[min(failures - THRESHOLD, len(OPEN_SECONDS) - 1)]
