"""Huey, which carries job ids from the ledger to the workers. The only file that imports it.

Delivery is at most once: a message can be lost at any moment, and the sweeper sends it again.
Messages are JSON, never pickle: whoever reaches Redis must not reach the interpreter.
"""

import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from huey import RedisHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from redis.exceptions import RedisError

from clozone.infra.redis import sync_redis
from clozone.jobs.kinds import Queue
from clozone.settings import Settings

# Huey finds a task by the name of its module and its own.
_TASK = "run_job"
_TASK_PATH = f"{__name__}.{_TASK}"

SEND_TIMEOUT_SECONDS = 0.5
# Taking waits for up to a second in Redis.
TAKE_TIMEOUT_SECONDS = 3.0
REST_SECONDS = 5.0


class MessageSerializer(Serializer):  # type: ignore[misc]
    """Huey's message as JSON: its id, the job's id and the time it is due."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps(
            {
                "id": data.id,
                "job_id": data.args[0],
                "eta": data.eta.isoformat() if data.eta else None,
            }
        ).encode()

    def _deserialize(self, data: bytes) -> Message:
        fields = json.loads(data)
        eta = datetime.fromisoformat(fields["eta"]) if fields["eta"] else None
        return Message(fields["id"], _TASK_PATH, eta, 0, 0, args=(fields["job_id"],), kwargs={})


class _Carrier(RedisHuey):  # type: ignore[misc]
    def is_revoked(self, *_args: object, **_kwargs: object) -> bool:
        """Cancelling is the ledger's business; asking Redis too would cost two round trips a job."""
        return False


class _Consumer(Consumer):  # type: ignore[misc]
    def start_threads(self) -> None:
        """Start taking messages; the signals stay with the process, which runs several of these."""
        self.scheduler.start()
        for _, thread in self.worker_threads:
            thread.start()

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
        self._carriers = self._make_carriers(SEND_TIMEOUT_SECONDS, retries=0)
        self._tasks = {
            queue: carrier.task(name=_TASK)(_taken_elsewhere)
            for queue, carrier in self._carriers.items()
        }
        self._resting_until = 0.0

    def send(self, queue: Queue, job_ids: Iterable[UUID], *, delay: float = 0) -> None:
        """Announce jobs to the workers, due in `delay` seconds.

        Raises redis errors; for a while afterwards nothing is sent, and the sweeper sends it later.
        """
        if time.monotonic() < self._resting_until:
            return
        task = self._tasks[queue]
        try:
            for job_id in job_ids:
                task.schedule(args=(str(job_id),), delay=delay) if delay else task(str(job_id))
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

    def consumers(self, threads: dict[Queue, int], run: Callable[[UUID], None]) -> list[_Consumer]:
        """Consumers of every queue, not started; each message calls `run(job_id)`."""
        takers = self._make_carriers(TAKE_TIMEOUT_SECONDS, retries=1)
        for taker in takers.values():
            taker.task(name=_TASK)(lambda job_id: run(UUID(job_id)))
        return [
            _Consumer(taker, workers=threads[queue], periodic=False)
            for queue, taker in takers.items()
        ]

    def _make_carriers(self, timeout_seconds: float, *, retries: int) -> dict[Queue, _Carrier]:
        pool = sync_redis(
            self._settings.redis_url, timeout_seconds=timeout_seconds, retries=retries
        ).connection_pool
        return {
            queue: _Carrier(
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
