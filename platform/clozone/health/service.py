"""What the platform depends on, and what follows when a part is away."""

import asyncio
from functools import partial

import httpx2

from clozone.health import probes
from clozone.health.check import Check, Probe
from clozone.health.schemas import ComponentHealth, HealthReport, HealthStatus
from clozone.infra.object_storage import ObjectStorage
from clozone.infra.redis import async_redis
from clozone.infra.replica import ReplicaWatch
from clozone.settings import Settings

# Without these no request can be answered. Everything else the platform outlives for a while: jobs
# wait in the ledger, limits are counted in the process, webhooks are stored and graded later.
NEEDED = frozenset({"postgres", "migrations"})

TIMEOUT_SECONDS = 1.0
FRESH_SECONDS = 1.0
MIGRATIONS_FRESH_SECONDS = 5.0
STORAGE_TIMEOUT_SECONDS = 2.5  # the storage's own is 2 s
STORAGE_FRESH_SECONDS = 2.0
MODEL_TIMEOUT_SECONDS = 3.0
MODEL_FRESH_SECONDS = 15.0


class Health:
    """The checks of one web process. Made on its event loop; connects when first asked."""

    def __init__(
        self, settings: Settings, version: str, replica: ReplicaWatch | None = None
    ) -> None:
        self._instance = settings.clozone_instance
        self._version = version
        self._redis = redis = async_redis(
            settings.redis_url, timeout_seconds=TIMEOUT_SECONDS, retries=0
        )
        self._storage = storage = ObjectStorage(settings)
        self._http = http = httpx2.AsyncClient(timeout=MODEL_TIMEOUT_SECONDS)
        self._checks = [
            _check("postgres", probes.postgres_answers),
            _check("migrations", probes.schema_is_current, fresh_seconds=MIGRATIONS_FRESH_SECONDS),
            _check("spool", probes.spool_drains),
            _check("redis", partial(probes.redis_answers, redis)),
            _check(
                "object_storage",
                partial(probes.storage_answers, storage),
                timeout_seconds=STORAGE_TIMEOUT_SECONDS,
                fresh_seconds=STORAGE_FRESH_SECONDS,
            ),
            _check("worker", partial(probes.processes_beat, redis, "worker")),
            _check("scheduler", partial(probes.processes_beat, redis, "scheduler")),
            _check(
                "model",
                partial(probes.model_answers, http, settings),
                timeout_seconds=MODEL_TIMEOUT_SECONDS,
                fresh_seconds=MODEL_FRESH_SECONDS,
            ),
        ]
        if replica is not None:
            self._checks.append(_check("replica", partial(probes.replica_follows, replica)))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._http.aclose()
        self._storage.close()

    async def report(self) -> HealthReport:
        """All components, asked at the same time."""
        results = await asyncio.gather(*(check.result() for check in self._checks))
        components = {
            check.name: result for check, result in zip(self._checks, results, strict=True)
        }
        return HealthReport(
            status=_overall(components),
            instance=self._instance,
            version=self._version,
            components=components,
        )

    async def missing(self) -> list[str]:
        """The needed components that are down; none means that requests can be answered."""
        needed = [check for check in self._checks if check.name in NEEDED]
        results = await asyncio.gather(*(check.result() for check in needed))
        return [
            check.name
            for check, result in zip(needed, results, strict=True)
            if result.status == HealthStatus.down
        ]


def _check(
    name: str,
    probe: Probe,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    fresh_seconds: float = FRESH_SECONDS,
) -> Check:
    return Check(name, probe, timeout_seconds=timeout_seconds, fresh_seconds=fresh_seconds)


def _overall(components: dict[str, ComponentHealth]) -> HealthStatus:
    states = {name: component.status for name, component in components.items()}
    if any(states[name] == HealthStatus.down for name in NEEDED):
        return HealthStatus.down
    if any(status != HealthStatus.up for status in states.values()):
        return HealthStatus.degraded
    return HealthStatus.up
