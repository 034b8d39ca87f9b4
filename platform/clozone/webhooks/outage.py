"""What is remembered of PostgreSQL being away, so that not each webhook has to find it out."""

import time
from collections.abc import Callable

from loguru import logger

PATIENCE_SECONDS = 1.0


class Outage:
    """While it lasts, one webhook in PATIENCE_SECONDS tries PostgreSQL; the others need not wait.

    To be used on one thread: the event loop's.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._try_after: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether PostgreSQL was away when it was last tried."""
        return self._try_after is not None

    def may_try(self) -> bool:
        """Whether the caller is to try PostgreSQL now."""
        if self._try_after is None:
            return True
        if self._clock() < self._try_after:
            return False
        self._try_after = self._clock() + PATIENCE_SECONDS
        return True

    def begins(self, error: BaseException) -> None:
        """PostgreSQL did not do what it was asked, or not in time."""
        if not self.lasts:
            logger.bind(error=type(error).__name__).warning(
                "PostgreSQL is away: webhooks go to the spool"
            )
        self._try_after = self._clock() + PATIENCE_SECONDS

    def ends(self) -> None:
        """PostgreSQL answered."""
        if self.lasts:
            logger.info("PostgreSQL is back: webhooks go there again")
        self._try_after = None
