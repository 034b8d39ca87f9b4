"""Huey, which carries job ids from the ledger to the workers. The only file that imports it.

Delivery is at most once: a message can be lost at any moment, and the sweeper sends it again.
Messages are JSON, never pickle: whoever reaches Redis must not reach the interpreter.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from huey import RedisHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer

from clozone.infra.redis import sync_redis
from clozone.jobs.kinds import Queue
from clozone.settings import Settings

# Huey finds a task by the name of its module and its own.
_TASK = "run_job"
_TASK_PATH = f"{__name__}.{_TASK}"


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


class Delivery:
    """One Huey per queue."""

    def __init__(self, settings: Settings) -> None:
        self._carriers = {
            queue: _Carrier(
                f"clozone_{queue}",
                results=False,
                # With our timeouts: whoever announces a job must not wait for a silent Redis.
                connection_pool=sync_redis(settings.redis_url).connection_pool,
                serializer=MessageSerializer(),
            )
            for queue in Queue
        }
        self._tasks = {
            queue: carrier.task(name=_TASK)(self._arrived)
            for queue, carrier in self._carriers.items()
        }
        self._run: Callable[[UUID], None] | None = None

    def _arrived(self, job_id: str) -> None:
        if self._run is None:
            raise RuntimeError(f"job {job_id} arrived in a process that runs none")
        self._run(UUID(job_id))

    def send(self, queue: Queue, job_ids: Iterable[UUID], *, delay: float = 0) -> None:
        """Announce jobs to the workers, due in `delay` seconds. Raises redis errors."""
        task = self._tasks[queue]
        for job_id in job_ids:
            task.schedule(args=(str(job_id),), delay=delay) if delay else task(str(job_id))

    def backlog(self, queue: Queue) -> int:
        """Messages that wait to be taken."""
        return int(self._carriers[queue].pending_count())

    def consumers(
        self, threads: dict[Queue, int], run: Callable[[UUID], None]
    ) -> list["_Consumer"]:
        """Consumers of every queue, not started; each message calls `run(job_id)`."""
        self._run = run
        return [
            _Consumer(carrier, workers=threads[queue], periodic=False)
            for queue, carrier in self._carriers.items()
        ]


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
