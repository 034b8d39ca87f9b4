"""Redis clients. The only place that makes them.

Every command has a timeout and at most one quick retry: Redis only carries, so whoever asks has
something better to do than wait for it.
"""

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

CONNECT_TIMEOUT_SECONDS = 1.0
COMMAND_TIMEOUT_SECONDS = 3.0
RETRY_PAUSE_SECONDS = 0.05
IDLE_CHECK_SECONDS = 30
# An extension of Redis Enterprise; asking for it costs every new connection a round trip.
NO_MAINTENANCE_NOTICES = MaintNotificationsConfig(enabled=False)


def sync_redis(
    url: str, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS, retries: int = 1
) -> redis.Redis:
    """A client for threads: workers, services. `url` is `settings.redis_url` or `.cache_url`."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds),
        socket_timeout=timeout_seconds,
        health_check_interval=IDLE_CHECK_SECONDS,
        retry=Retry(ConstantBackoff(RETRY_PAUSE_SECONDS), retries),
        maint_notifications_config=NO_MAINTENANCE_NOTICES,
    )


def async_redis(
    url: str, *, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS, retries: int = 1
) -> redis.asyncio.Redis:
    """A client for the event loop; close it with `aclose()`. `url` as for `sync_redis`."""
    return redis.asyncio.Redis.from_url(
        url,
        socket_connect_timeout=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds),
        socket_timeout=timeout_seconds,
        health_check_interval=IDLE_CHECK_SECONDS,
        retry=AsyncRetry(ConstantBackoff(RETRY_PAUSE_SECONDS), retries),
        maint_notifications_config=NO_MAINTENANCE_NOTICES,
    )
