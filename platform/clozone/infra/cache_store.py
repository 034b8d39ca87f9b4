"""Versions and answers as they lie in Redis."""

import asyncio
import random
from functools import partial
from time import time
from typing import cast
from uuid import UUID

from clozone.infra.cache_answer import Answer, pack, unpack
from clozone.infra.cache_version import (
    VERSION_BYTES,
    VERSION_SECONDS,
    answer_key,
    version_after_loss,
    version_key,
)
from clozone.infra.redis_pipeline import PipelinedRedis

JITTER = 0.1
LARGE_BYTES = 32_768  # takes about a millisecond to compress

# What lies there and is no version would stand in the way of every answer: it is replaced.
_ENSURE_VERSION = """
local version = redis.pcall('GET', KEYS[1])
if type(version) == 'string' and #version == tonumber(ARGV[3]) then
    return version
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""
"""KEYS: the version's key. ARGV: a version to set if there is none, its lifetime in seconds, the
length of a version. Gives the version that holds."""


class AnswerStore:
    """What one process reads and writes. Every method raises RedisError when Redis is away.

    `fresh_seconds` is how long an answer is fresh, a tenth more or less; `stale_seconds` how long
    it is kept, if that is longer.
    """

    def __init__(self, redis: PipelinedRedis, fresh_seconds: float, stale_seconds: float) -> None:
        self._redis = redis
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds

    async def read(self, org_id: UUID, name: str) -> tuple[bytes, tuple[float, Answer] | None]:
        """The organisation's version; and if an answer of this version is kept, until when it is
        fresh, and the answer. One that is damaged is not there.
        """
        version, kept = cast(
            "list[bytes | None]",
            await self._redis.execute("MGET", version_key(org_id), answer_key(org_id, name)),
        )
        if version is None or len(version) != VERSION_BYTES:
            version = await self._ensure_version(org_id)
        return version, unpack(kept) if kept is not None and kept.startswith(version) else None

    async def version(self, org_id: UUID) -> bytes | None:
        """The organisation's version, if Redis knows one."""
        return cast("bytes | None", await self._redis.execute("GET", version_key(org_id)))

    async def write(self, org_id: UUID, name: str, version: bytes, body: bytes) -> Answer:
        """Keep an answer that was computed under this version; in the forms it will be sent in."""
        fresh_seconds = self._fresh_seconds * random.uniform(1 - JITTER, 1 + JITTER)
        packing = partial(pack, version, time() + fresh_seconds, body)
        kept = await asyncio.to_thread(packing) if len(body) > LARGE_BYTES else packing()
        milliseconds = int(1000 * max(self._stale_seconds, fresh_seconds))
        await self._redis.execute("SET", answer_key(org_id, name), kept, "PX", milliseconds)
        unpacked = unpack(kept)
        return Answer.of(body) if unpacked is None else unpacked[1]

    async def _ensure_version(self, org_id: UUID) -> bytes:
        arguments = version_after_loss(), VERSION_SECONDS, VERSION_BYTES
        key = version_key(org_id)
        return cast(bytes, await self._redis.execute("EVAL", _ENSURE_VERSION, 1, key, *arguments))
