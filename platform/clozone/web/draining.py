"""Whether this process is on its way out."""

import asyncio


class Draining:
    """Set on SIGTERM: readiness fails, streams end, connections are not kept."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def start(self) -> None:
        """From now on, take leave."""
        self._event.set()

    @property
    def started(self) -> bool:
        """Whether it has begun."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Return once it has begun."""
        await self._event.wait()
