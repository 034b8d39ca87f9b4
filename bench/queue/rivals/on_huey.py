"""Huey by itself, over Redis."""

import sys

import bodies
from huey import RedisHuey

huey = RedisHuey("bench", url=bodies.BROKER_URL, results=False)


@huey.task(retries=3, retry_delay=2)
def job(kind: str, i: int) -> None:
    """One job."""
    bodies.body(kind, i)


def fill(kind: str, first: int, jobs: int) -> None:
    """Enqueue one by one."""
    # By its module's name: a task that the consumer does not know is dropped.
    import on_huey

    for i in range(first, first + jobs):
        on_huey.job(kind, i)


if __name__ == "__main__":
    bodies.tell(lambda: fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
