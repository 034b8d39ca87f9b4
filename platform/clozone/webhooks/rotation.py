"""Telling the operator who changes the secret when the previous one is no longer in use."""

import time
from collections.abc import Callable

from loguru import logger

from clozone.webhooks.signature import Secret

NOTICE_SECONDS = 60.0


class RotationNotice:
    """Logs that the previous secret is in use, at most once in NOTICE_SECONDS per process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until = 0.0
        self._uses = 0

    def note(self, used: Secret) -> None:
        """A webhook was believed for this secret."""
        if used is Secret.current:
            return
        self._uses += 1
        if self._clock() < self._silent_until:
            return
        logger.bind(webhooks=self._uses).warning("the previous webhook secret is still in use")
        self._uses = 0
        self._silent_until = self._clock() + NOTICE_SECONDS
