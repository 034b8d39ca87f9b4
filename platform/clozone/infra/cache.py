"""Analytics answers in Redis, as the bytes that are sent.

Each organisation has a version (`cache_version`). An answer is kept together with the version that
was current before it was computed and is good only while that is still the version. So whoever
changes the figures sets a new version after the commit, and an answer computed from what was there
before can never pass for a fresh one, however late it is stored. A version that Redis lost is never
met again.

A good answer is fresh for ANALYTICS_CACHE_SECONDS, a tenth more or less, so that what was computed
together does not expire together. After that it is served still, up to ANALYTICS_CACHE_STALE_SECONDS
after it was computed, while one instance computes it anew.
"""

from dataclasses import dataclass
from time import monotonic, time
from uuid import UUID

from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.cache_answer import Answer
from clozone.infra.cache_computing import Computations, Compute
from clozone.infra.cache_store import AnswerStore
from clozone.infra.cache_writer import VersionWriter
from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.redis import sync_redis
from clozone.infra.redis_pipeline import PipelinedRedis
from clozone.settings import Settings

REDIS_TIMEOUT_SECONDS = 0.5
# After a failure Redis is left alone for this long, and every answer is computed.
REDIS_PAUSE_SECONDS = 5.0
# Answers that a process keeps beside Redis, some 5 kB each; the one read first makes room.
MOST_KNOWN = 1_000

__all__ = ["AnalyticsCache", "Answer", "Compute", "forget_analytics", "init_cache"]

_writer: VersionWriter | None = None


def init_cache(settings: Settings) -> None:
    """Set up `forget_analytics` for this process. Connects lazily."""
    global _writer  # noqa: PLW0603 - one client per process, like the connection pool
    if _writer is not None:
        _writer.close()
    _writer = VersionWriter(sync_redis(settings.cache_url, timeout_seconds=REDIS_TIMEOUT_SECONDS))


def forget_analytics(org_id: UUID, position: int = UNKNOWN_POSITION) -> None:
    """Drop the organisation's answers: the next read computes. To be called after the commit.

    `position` is where the change ends in the write-ahead log; the next answers include it.
    While Redis is away they are dropped as soon as it is back, if this process lives to see it;
    else an answer that Redis still holds may be served until its lifetime is over.
    """
    if _writer is not None:
        _writer.tell(org_id, position)


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer, the version it belongs to, and until when it is fresh (seconds since 1970)."""

    version: bytes
    fresh_until: float
    answer: Answer


class AnalyticsCache:
    """The reading side of a web process. Used on one event loop; connects when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.analytics_cache_seconds > 0
        self._redis = PipelinedRedis(settings.cache_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
        self._store = AnswerStore(
            self._redis, settings.analytics_cache_seconds, settings.analytics_cache_stale_seconds
        )
        self._computations = Computations(self._redis, self._store, self._pause)
        self._known: dict[tuple[UUID, str], _Known] = {}
        self._pause_until = 0.0

    async def close(self) -> None:
        """End what is being computed and close the connection."""
        await self._computations.close()
        await self._redis.close()

    async def find(self, org_id: UUID, name: str) -> Answer | None:
        """The kept answer while it is fresh; None when `get` has to see to it.

        What this process has read lately it need not be sent again: then Redis is asked for the
        version alone, which says whether it still holds.
        """
        if not self._on or monotonic() < self._pause_until:
            return None
        known = self._known.get((org_id, name))
        try:
            if known is not None and known.fresh_until > time():
                if await self._store.version(org_id) == known.version:
                    return known.answer
                self._known.pop((org_id, name), None)
            version, kept = await self._store.read(org_id, name)
        except RedisError as error:
            self._pause(error)
            return None
        if kept is None:
            return None
        fresh_until, answer = kept
        if fresh_until <= time():
            return None
        self._remember(org_id, name, _Known(version, fresh_until, answer))
        return answer

    async def get(self, org_id: UUID, name: str, compute: Compute) -> Answer:
        """The answer called `name`: the kept one while it is good, else what `compute` gives.

        `name` says whose figures and which; it stands in Redis as it is. Whoever misses the same
        answer at the same time, in whatever instance, gets one computation's result. With the cache
        off, and while Redis is away, each request computes its own, from the primary.
        """
        if self._on and monotonic() >= self._pause_until:
            try:
                version, kept = await self._store.read(org_id, name)
            except RedisError as error:
                self._pause(error)
            else:
                if kept is None:
                    return await self._computations.join(org_id, name, version, compute)
                fresh_until, answer = kept
                if fresh_until < time():
                    self._computations.refresh(org_id, name, version, compute)
                return answer
        return Answer.of(await compute(UNKNOWN_POSITION))

    def _remember(self, org_id: UUID, name: str, known: "_Known") -> None:
        self._known.pop((org_id, name), None)
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[org_id, name] = known

    def _pause(self, error: Exception) -> None:
        if monotonic() >= self._pause_until:
            logger.bind(error=type(error).__name__).warning(
                "analytics are computed for each request: Redis is away"
            )
            self._pause_until = monotonic() + REDIS_PAUSE_SECONDS
