"""Huey, which carries word of waiting jobs to the workers. The only file that imports it.

A message names a job, but is no more than a bell: whoever takes it takes whose turn it is, and goes
on until nothing is left (see `runner`). So a lost message costs a delay until the sweeper rings
again, a second one costs nothing, and there need not be more of them than threads to wake.
Messages are JSON, never pickle: whoever reaches Redis must not reach the interpreter.
"""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from huey import RedisHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import RedisStorage
from loguru import logger
from redis.exceptions import RedisError

from clozone.infra.redis import sync_redis
from clozone.jobs.kinds import Queue
from clozone.settings import Settings

# Huey finds a task by the name of its module and its own.
_TASK = "take_turns"
_TASK_PATH = f"{__name__}.{_TASK}"

SEND_TIMEOUT_SECONDS = 0.5
# Taking waits for up to a second in Redis.
TAKE_TIMEOUT_SECONDS = 3.0
REST_SECONDS = 5.0
# While Redis is away each thread looks by itself this often.
LOOK_SECONDS = 1.0
# Enough to wake every thread of a large installation; more would only lie there.
MOST_MESSAGES = 64
_PUSH_UNLESS_FULL = """
if redis.call('LLEN', KEYS[1]) < tonumber(ARGV[2]) then redis.call('LPUSH', KEYS[1], ARGV[1]) end
"""


class MessageSerializer(Serializer):  # type: ignore[misc]
    """Huey's message as JSON: its id and the job's id."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps({"id": data.id, "job_id": data.args[0]}).encode()

    def _deserialize(self, data: bytes) -> Message:
        fields = json.loads(data)
        return Message(fields["id"], _TASK_PATH, None, 0, 0, args=(fields["job_id"],), kwargs={})


class _BoundedStorage(RedisStorage):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._push = self.conn.register_script(_PUSH_UNLESS_FULL)

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        """Add a message unless enough of them wait already, in one step."""
        self._push(keys=[self.queue_key], args=[data, MOST_MESSAGES])


class _Carrier(RedisHuey):  # type: ignore[misc]
    storage_class = _BoundedStorage

    def is_revoked(self, *_args: object, **_kwargs: object) -> bool:
        """Cancelling is the ledger's business: Redis is neither asked before a task …"""
        return False

    def delete(self, _key: str) -> bool:
        """… nor told after it. Without results there is nothing else to delete."""
        return False


class _Taker(_Carrier):
    """The side of a worker: it wakes also without Redis, since the jobs are in PostgreSQL."""

    away = False

    def dequeue(self) -> Any:
        """The next message; without Redis one of our own, after a moment."""
        try:
            message = super().dequeue()
        except (RedisError, OSError) as error:
            if not self.away:
                logger.bind(queue=self.name, error=type(error).__name__).warning(
                    "jobs are looked for in the database: Redis is away"
                )
            self.away = True
            time.sleep(LOOK_SECONDS)
            return self.deserialize_task(json.dumps({"id": str(uuid4()), "job_id": None}).encode())
        if self.away:
            logger.bind(queue=self.name).info("jobs are announced by Redis again")
        self.away = False
        return message


class _Consumer(Consumer):  # type: ignore[misc]
    def start_threads(self) -> None:
        """Start taking messages; the signals stay with the process, which runs several of these.

        Huey's own scheduler stays off: what waits for its time waits in the ledger.
        """
        for _, thread in self.worker_threads:
            thread.start()

    def replace_dead_threads(self) -> None:
        """Start a thread anew for each that an error has ended."""
        for place, (worker, thread) in enumerate(self.worker_threads):
            if not thread.is_alive() and not self.stop_flag.is_set():
                logger.bind(thread=thread.name).error("a worker's thread died and is replaced")
                fresh = self._create_process(worker, thread.name)
                self.worker_threads[place] = (worker, fresh)
                fresh.start()

    def stop_taking(self) -> None:
        """Let the threads end once they have done what they have taken."""
        self.stop_flag.set()

    def join(self, deadline: float) -> None:
        """Wait until the threads have ended, at most until `deadline` (monotonic seconds)."""
        for _, thread in self.worker_threads:
            thread.join(max(deadline - time.monotonic(), 0))


class Delivery:
    """One Huey per queue to send with, and one per queue to take from."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Whoever announces a job has committed it: better late than waiting for a silent Redis.
        self._carriers = self._make_carriers(_Carrier, SEND_TIMEOUT_SECONDS, retries=0)
        self._tasks = {
            queue: carrier.task(name=_TASK)(_taken_elsewhere)
            for queue, carrier in self._carriers.items()
        }
        self._resting_until = 0.0

    def ring(self, queue: Queue, job_id: UUID, *, times: int = 1) -> None:
        """Wake up to `times` threads of the queue's workers; `job_id` is one of the waiting jobs.

        Raises redis errors; for a while afterwards nothing is sent, and the sweeper does it later.
        """
        if time.monotonic() < self._resting_until:
            return
        try:
            for _ in range(min(times, MOST_MESSAGES)):
                self._tasks[queue](str(job_id))
        except (RedisError, OSError):
            self._resting_until = time.monotonic() + REST_SECONDS
            raise

    def backlog(self, queue: Queue) -> int:
        """Messages that wait to be taken."""
        return int(self._carriers[queue].pending_count())

    def forget_everything(self) -> None:
        """Drop every message, as a wiped Redis does. The sweeper announces again what is due."""
        for carrier in self._carriers.values():
            carrier.flush()

    def consumers(
        self, threads: dict[Queue, int], drain: Callable[[Queue], None]
    ) -> list[_Consumer]:
        """Consumers of every queue, not started; each message calls `drain(queue)`."""
        takers = self._make_carriers(_Taker, TAKE_TIMEOUT_SECONDS, retries=1)
        for queue, taker in takers.items():
            taker.task(name=_TASK)(lambda _job_id, queue=queue: drain(queue))
        return [
            _Consumer(taker, workers=threads[queue], periodic=False)
            for queue, taker in takers.items()
        ]

    def _make_carriers(
        self, carrier: type[_Carrier], timeout_seconds: float, *, retries: int
    ) -> dict[Queue, _Carrier]:
        pool = sync_redis(
            self._settings.redis_url, timeout_seconds=timeout_seconds, retries=retries
        ).connection_pool
        return {
            queue: carrier(
                f"clozone_{queue}",
                results=False,
                connection_pool=pool,
                serializer=MessageSerializer(),
            )
            for queue in Queue
        }


def _taken_elsewhere(job_id: str) -> None:
    raise RuntimeError(f"job {job_id} arrived in a process that only sends")


_delivery: Delivery | None = None


def init_delivery(settings: Settings) -> Delivery:
    """Set up the delivery of this process. Connects lazily."""
    global _delivery  # noqa: PLW0603 - one delivery per process, like the connection pool
    _delivery = Delivery(settings)
    return _delivery


def delivery() -> Delivery:
    """The delivery of this process."""
    if _delivery is None:
        raise RuntimeError("init_delivery(settings) comes first")
    return _delivery
