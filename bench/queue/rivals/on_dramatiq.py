"""Dramatiq over Redis."""

import sys

import bodies
import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=bodies.BROKER_URL))


@dramatiq.actor(max_retries=3)
def job(kind: str, i: int) -> None:
    """One job."""
    bodies.body(kind, i)


def fill(kind: str, first: int, jobs: int) -> None:
    """Enqueue one by one: it has no other way."""
    for i in range(first, first + jobs):
        job.send(kind, i)


if __name__ == "__main__":
    bodies.tell(lambda: fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
