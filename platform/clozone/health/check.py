"""One check of one component: bounded, remembered for a moment, never run twice at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from loguru import logger

from clozone.health.schemas import ComponentHealth, HealthStatus

Probe = Callable[[], Awaitable[str | None]]
"""Returns when the component is well, with a fact worth showing if there is one; else raises."""


class Degraded(Exception):
    """The component works, but not as it should; the message says how."""


class NotUp(Exception):
    """The component does not work; the message says why, in words fit for strangers."""


class Check:
    """Runs a probe at most once per `fresh_seconds`, and waits for it at most `timeout_seconds`.

    However many ask, a component sees one probe at a time: health cannot be used to hammer it.
    """

    def __init__(
        self, name: str, probe: Probe, *, timeout_seconds: float, fresh_seconds: float
    ) -> None:
        self.name = name
        self._probe = probe
        self._timeout_seconds = timeout_seconds
        self._fresh_seconds = fresh_seconds
        self._latest = ComponentHealth(
            status=HealthStatus.down, latency_ms=0.0, detail="not checked yet"
        )
        self._fresh_until = 0.0
        self._running: asyncio.Task[None] | None = None

    async def result(self) -> ComponentHealth:
        """The state of the component, a moment old at most."""
        if time.monotonic() >= self._fresh_until:
            if self._running is None:
                self._running = asyncio.create_task(self._run())
            done, _ = await asyncio.wait({self._running}, timeout=self._timeout_seconds)
            if not done:
                self._keep(HealthStatus.down, self._timeout_seconds, "no answer in time")
        return self._latest

    async def _run(self) -> None:
        started = time.perf_counter()
        status, detail = HealthStatus.up, None
        try:
            detail = await self._probe()
        except Degraded as reason:
            status, detail = HealthStatus.degraded, str(reason)
        except NotUp as reason:
            status, detail = HealthStatus.down, str(reason)
        except Exception as error:
            # The message may hold addresses and names; the kind of the error is enough here.
            status, detail = HealthStatus.down, type(error).__name__
        finally:
            self._running = None
        self._keep(status, time.perf_counter() - started, detail)

    def _keep(self, status: HealthStatus, seconds: float, detail: str | None) -> None:
        if status != self._latest.status:
            logger.bind(component=self.name, status=status.value, detail=detail).log(
                "INFO" if status == HealthStatus.up else "WARNING", "component changed"
            )
        latency_ms = round(seconds * 1000, 1)
        self._latest = ComponentHealth(status=status, latency_ms=latency_ms, detail=detail)
        self._fresh_until = time.monotonic() + self._fresh_seconds
