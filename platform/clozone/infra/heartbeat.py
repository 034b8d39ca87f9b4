"""Signs of life of the worker and scheduler processes, in Redis.

Each process has a key that expires when it falls silent. An index by time makes reading them cheap:
finding the keys by pattern would walk the whole keyspace, rate limits and all.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import orjson
import redis
import redis.asyncio

from clozone.kit.clock import iso, now

TTL_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of a process."""

    name: str
    time: datetime


def beat(client: redis.Redis, kind: str, name: str) -> None:
    """Say that the process `name` is alive. To be repeated well within `TTL_SECONDS`.

    `kind` is `worker` or `scheduler`. Raises redis errors.
    """
    moment = time.time()
    index = _index(kind)
    with client.pipeline(transaction=False) as pipe:
        pipe.set(_key(kind, name), orjson.dumps({"time": iso(now())}), ex=TTL_SECONDS)
        pipe.zadd(index, {name: moment})
        pipe.zremrangebyscore(index, "-inf", moment - TTL_SECONDS)
        pipe.expire(index, TTL_SECONDS)
        pipe.execute()


async def alive(client: redis.asyncio.Redis, kind: str) -> list[Heartbeat]:
    """The processes of this kind that are alive, by name."""
    members = cast(list[bytes], await client.zrange(_index(kind), 0, -1))
    names = sorted(member.decode() for member in members)
    if not names:
        return []
    values = cast(list[bytes | None], await client.mget([_key(kind, name) for name in names]))
    return [
        Heartbeat(name, datetime.fromisoformat(orjson.loads(value)["time"]))
        for name, value in zip(names, values, strict=True)
        if value is not None
    ]


def _key(kind: str, name: str) -> str:
    return f"clozone:heartbeat:{kind}:{name}"


def _index(kind: str) -> str:
    return f"clozone:heartbeats:{kind}"
