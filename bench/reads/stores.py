"""What both stacks keep their data in: PostgreSQL and Valkey, a database each on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import SplitResult, urlsplit

import psycopg
import redis
from bench.reads.loading import SIZES, ours_of, theirs_of

from clozone.infra.rate_limit import KEY_PREFIX

# Valkey's databases from here on are the rival's, one for each size; the platform has 0 and 1.
_FIRST_RIVAL_DATABASE = 8
_LIMITS_DATABASE, _CACHE_DATABASE = 0, 1


def rival_database(size: str) -> int:
    """The number of the rival's Valkey database for a size."""
    return _FIRST_RIVAL_DATABASE + list(SIZES).index(size)


class Stores:
    """The servers at these addresses: PostgreSQL's for its superuser, Valkey's with its password."""

    def __init__(self, superuser_url: str, redis_url: str) -> None:
        self._superuser_url = superuser_url
        self._redis_url = redis_url.rpartition("/")[0]

    @property
    def valkey(self) -> SplitResult:
        """Valkey's address, in its parts."""
        return urlsplit(self._redis_url)

    def url_of_theirs(self, size: str) -> str:
        """The address of the rival's database of a size."""
        return f"{self._superuser_url.rpartition('/')[0]}/{theirs_of(size)}"

    def forget_counts(self) -> None:
        """Let nobody have asked for anything yet: what is counted here in minutes, no user asks in days."""
        self._flush(_LIMITS_DATABASE)

    def has_counts(self) -> bool:
        """Whether somebody's requests have been counted."""
        with redis.Redis.from_url(f"{self._redis_url}/{_LIMITS_DATABASE}") as store:
            return any(True for _ in store.scan_iter(f"{KEY_PREFIX}:*"))

    def forget_ours(self) -> None:
        """Empty our cache."""
        self._flush(_CACHE_DATABASE)

    def forget_theirs(self, size: str) -> None:
        """Empty the rival's."""
        self._flush(rival_database(size))

    @contextmanager
    def database(self, size: str) -> Iterator[psycopg.Connection]:
        """Our database of a size, as superuser."""
        url = f"{self._superuser_url.rpartition('/')[0]}/{ours_of(size)}"
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection

    @contextmanager
    def statistics(self) -> Iterator[psycopg.Connection]:
        """The database in which pg_stat_statements is, as superuser."""
        with psycopg.connect(self._superuser_url, autocommit=True) as connection:
            yield connection

    def _flush(self, database: int) -> None:
        """Empty one of Valkey's databases."""
        with redis.Redis.from_url(f"{self._redis_url}/{database}") as store:
            store.flushdb(asynchronous=True)
