"""The writing side of the analytics cache: a new version after each change.

While Redis is away a change is noted, and told as soon as Redis is back: it may come back with all
that it held before, and nothing else says that this is not true any more.
"""

import threading
from uuid import UUID

import redis
from loguru import logger
from redis.exceptions import RedisError, ResponseError

from clozone.infra.cache_version import SET_VERSION, VERSION_SECONDS, change, version_key

TRY_AGAIN_SECONDS = 1.0


class VersionWriter:
    """Sets versions, from any thread. What it notes, it knows as long as the process lives."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._untold: dict[UUID, int] = {}
        self._teller: threading.Thread | None = None
        self._closed = threading.Event()

    def tell(self, org_id: UUID, position: int) -> None:
        """Make the organisation's answers void: now, or when Redis is back.

        `position` is where the change ends in the write-ahead log, or UNKNOWN_POSITION. While
        changes are noted, this one is too, so that nobody waits for a Redis that is known to be
        away.
        """
        with self._lock:
            away = self._teller is not None
        if away or not self._set(org_id, position):
            self._note(org_id, position)

    def close(self) -> None:
        """Forget what is noted."""
        self._closed.set()

    def _set(self, org_id: UUID, position: int) -> bool:
        key = version_key(org_id)
        try:
            try:
                self._client.eval(SET_VERSION, 1, key, *change(position), VERSION_SECONDS)
            except ResponseError:
                # A full Redis takes nothing, and what is no version cannot be read; but both can
                # be removed. A version that is lost voids as well as a new one.
                self._client.delete(key)
        except (RedisError, OSError) as error:
            logger.bind(error=type(error).__name__).warning("cached analytics are not void yet")
            return False
        return True

    def _note(self, org_id: UUID, position: int) -> None:
        with self._lock:
            self._keep(org_id, position)
            if self._teller is None:
                self._teller = threading.Thread(
                    target=self._tell_later, name="cache versions", daemon=True
                )
                self._teller.start()

    def _keep(self, org_id: UUID, position: int) -> None:
        self._untold[org_id] = max(position, self._untold.get(org_id, 0))

    def _tell_later(self) -> None:
        while not self._closed.wait(TRY_AGAIN_SECONDS):
            # Taken out before they are told: what is noted from here on is a change of its own.
            with self._lock:
                untold, self._untold = self._untold, {}
            left = self._tell_all(untold)
            with self._lock:
                for org_id, position in left.items():
                    self._keep(org_id, position)
                if not self._untold:
                    self._teller = None
                    return

    def _tell_all(self, untold: dict[UUID, int]) -> dict[UUID, int]:
        """Tell until one fails; what is left."""
        left = dict(untold)
        for org_id, position in untold.items():
            if not self._set(org_id, position):
                break
            del left[org_id]
        return left
