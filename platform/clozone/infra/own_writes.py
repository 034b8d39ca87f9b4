"""What each caller wrote last, as a position in the primary's log, for every instance to see.

It is kept in Redis for as long as a fit replica may still be behind. While Redis does not say what
a caller wrote, nobody can tell which replica would do, so the answer is: none.
"""

import math
import time

from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.redis_pipeline import PipelinedRedis
from clozone.settings import Settings

REDIS_SECONDS = 0.3
# On top of the greatest lag: the age of what the watch knows, and of its judgement.
MARGIN_SECONDS = 5.0

# Two requests of one caller may end in another order than they wrote.
_RAISE = """
local known = redis.call('GET', KEYS[1])
if not known or tonumber(known) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


class OwnWrites:
    """The positions of the callers. Made on the event loop of a web process."""

    def __init__(self, settings: Settings) -> None:
        self._redis = PipelinedRedis(settings.redis_url, timeout_seconds=REDIS_SECONDS)
        self._keep_seconds = math.ceil(settings.database_replica_max_lag_seconds + MARGIN_SECONDS)
        self._unsure_until = 0.0

    async def note(self, caller: str, position: int) -> None:
        """Keep that `caller` wrote something that is in the log before `position`."""
        try:
            await self._redis.execute("EVAL", _RAISE, 1, _key(caller), position, self._keep_seconds)
        except (RedisError, OSError) as error:
            # Redis may be back in a moment without a word of this write.
            self._unsure_until = time.monotonic() + self._keep_seconds
            logger.bind(error=type(error).__name__).warning(
                "reads stay on the primary for a while: Redis is away"
            )

    async def latest(self, caller: str) -> int:
        """The position up to which `caller` has to see everything; 0 for any."""
        if time.monotonic() < self._unsure_until:
            return UNKNOWN_POSITION
        try:
            position = await self._redis.execute("GET", _key(caller))
        except (RedisError, OSError):
            return UNKNOWN_POSITION
        return 0 if position is None else int(position)

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.close()


def _key(caller: str) -> str:
    return f"clozone:written:{caller}"
