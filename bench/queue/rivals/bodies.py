"""What a job does, the same for every Python rival: its effect is one committed row.

`insert` does only that; `nap` and `slow` first tell that they began, and sleep.
"""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable

import psycopg
import redis

BROKER_URL = os.environ["BENCH_BROKER_URL"]
ROWS_URL = os.environ["BENCH_ROWS_URL"]
RUN = os.environ["BENCH_RUN"]
VARIANT = os.environ["BENCH_VARIANT"]
SLEEPS = {"insert": 0.0, "nap": 0.01, "slow": 0.3}
INSERT = "INSERT INTO bench_rows (run, i) VALUES (%s, %s)"
CONNECTIONS = 8

_marks = redis.Redis.from_url(os.environ["BENCH_MARKS_URL"])
_local = threading.local()
_pool: "asyncio.Queue[psycopg.AsyncConnection[tuple[object, ...]] | None] | None" = None


def body(kind: str, i: int) -> None:
    """Do job `i`, on a thread or in a process of a pool."""
    if SLEEPS[kind]:
        mark(i)
        time.sleep(SLEEPS[kind])
    # A connection belongs to one thread, and must not pass a fork.
    if getattr(_local, "pid", None) != os.getpid():
        _local.connection = psycopg.connect(ROWS_URL, autocommit=True)
        _local.pid = os.getpid()
    _local.connection.execute(INSERT, (RUN, i))


async def async_body(kind: str, i: int) -> None:
    """Do job `i`, on an event loop."""
    global _pool  # noqa: PLW0603 - one pool per process, made on its loop
    if SLEEPS[kind]:
        mark(i)
        await asyncio.sleep(SLEEPS[kind])
    if _pool is None:
        _pool = asyncio.Queue()
        for _ in range(CONNECTIONS):
            _pool.put_nowait(None)
    connection = await _pool.get()
    try:
        if connection is None:
            connection = await psycopg.AsyncConnection.connect(ROWS_URL, autocommit=True)
        await connection.execute(INSERT, (RUN, i))
    finally:
        _pool.put_nowait(connection)


def mark(i: int) -> None:
    """Tell that job `i` begins."""
    _marks.rpush(f"{RUN}:begun", f"{i} {time.time()}")


def tell(fill: Callable[[], None]) -> None:
    """Enqueue, and print how many seconds that took and when it was over."""
    began = time.monotonic()
    fill()
    print(json.dumps({"seconds": time.monotonic() - began, "at": time.time()}))
