"""Whether this process is on its way out."""

import asyncio


class Draining:
    """First readiness fails; a little later, streams end and connections are not kept.

    In between requests are served as ever: whoever looks at readiness before sending stops sending.
    """

    def __init__(self) -> None:
        self._started = False
        self._leaving = asyncio.Event()

    def start(self) -> None:
        """From now on, readiness fails."""
        self._started = True

    def leave(self) -> None:
        """From now on, streams end and every answer is the last on its connection."""
        self._started = True
        self._leaving.set()

    @property
    def started(self) -> bool:
        """Whether readiness fails."""
        return self._started

    @property
    def leaving(self) -> bool:
        """Whether an answer given now is the last on its connection."""
        return self._leaving.is_set()

    async def wait(self) -> None:
        """Return once streams have to end."""
        await self._leaving.wait()
