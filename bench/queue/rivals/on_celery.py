"""Celery over Redis. `late` are its documented crash-safe settings, `late-quick` looks each second."""

import sys

import bodies
from celery import Celery

app = Celery("bench", broker=bodies.BROKER_URL)
app.conf.task_ignore_result = True
if bodies.VARIANT.startswith("late"):
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    app.conf.worker_prefetch_multiplier = 1
    app.conf.broker_transport_options = {"visibility_timeout": 30}
if bodies.VARIANT == "late-quick":
    # Kombu restores only every interval x throttle = 10 x 10 s unless told.
    app.conf.broker_transport_options.update(unacked_restore_interval=1, unacked_restore_throttle=1)


@app.task(name="job", max_retries=3)
def job(kind: str, i: int) -> None:
    """One job."""
    bodies.body(kind, i)


def fill(kind: str, first: int, jobs: int) -> None:
    """Enqueue over one connection."""
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for i in range(first, first + jobs):
            job.apply_async((kind, i), producer=producer)


if __name__ == "__main__":
    bodies.tell(lambda: fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
