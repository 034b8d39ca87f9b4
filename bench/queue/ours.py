"""The platform's processes with the bench's own kinds of job: worker, scheduler, and who enqueues.

    python -m bench.queue.ours worker | scheduler
    python -m bench.queue.ours BODY FIRST JOBS [BATCH [ORGANISATIONS [NUMBER]]]

The worker is `clozone worker`'s own function; only the kinds are added. `BENCH_TURN` is how many
jobs one turn takes. A batch is one transaction, and one statement if it is larger than 1; batch 0
adds one by one in one transaction. NUMBER is that of the first organisation. Enqueueing prints the
seconds it took and the time at its end.
"""

import json
import os
import sys
import time
from uuid import UUID

import redis

from clozone.infra.postgres import Scope, database, init_database, unit_of_work
from clozone.jobs.delivery import init_delivery
from clozone.jobs.enqueue import Order, enqueue, enqueue_many
from clozone.jobs.kinds import KINDS, Kind, Queue, RunningJob, job
from clozone.scheduler import run_scheduler
from clozone.settings import load_settings
from clozone.worker import run_worker

SLEEPS = {"insert": 0.0, "nap": 0.01, "slow": 0.3}
RUN = os.environ.get("BENCH_RUN", "")
INSERT = "INSERT INTO bench_rows (run, i) VALUES (%s, %s)"


def attach_kinds(turn: int) -> None:
    """Add a kind for each body a job may have."""
    marks = redis.Redis.from_url(os.environ["BENCH_MARKS_URL"])

    def body(running: RunningJob) -> None:
        i, seconds = running.payload["i"], SLEEPS[running.kind.removeprefix("bench.")]
        if seconds:
            marks.rpush(f"{RUN}:begun", f"{i} {time.time()}")
            time.sleep(seconds)
        with running.completing():
            database.execute_sql(INSERT, (RUN, i))

    for name in SLEEPS:
        kind = Kind(f"bench.{name}", Queue.interactive, turn=turn if name == "insert" else 1)
        KINDS[kind.name] = kind
        job(kind.name)(body)


def organisation(number: int) -> UUID:
    """The id of the n-th organisation of the bench, counted from 1."""
    return UUID(int=number << 64)


def ensure_organisations(count: int) -> None:
    """Make the first `count` of them."""
    with unit_of_work(Scope.platform()):
        database.execute_sql(
            "INSERT INTO organizations (id, name, created_at) "
            "SELECT id, 'bench', now() FROM unnest(%s::uuid[]) AS id ON CONFLICT DO NOTHING",
            ([organisation(number + 1) for number in range(count)],),
        )


def fill(name: str, first: int, jobs: int, batch: int, organisations: range) -> float:
    """Enqueue jobs of one body, a transaction a batch; the seconds that took.

    Each organisation gets as many, in one piece; a batch never holds more than one's.
    """
    share = jobs // len(organisations)
    began = time.monotonic()
    for place, number in enumerate(organisations):
        start = first + place * share
        scope = Scope.tenant(organisation(number))
        for a in range(start, start + share, batch):
            with unit_of_work(scope):
                if batch == 1:
                    enqueue(f"bench.{name}", {"i": a})
                else:
                    numbers = range(a, min(start + share, a + batch))
                    enqueue_many(f"bench.{name}", [Order({"i": i}) for i in numbers])
    return time.monotonic() - began


def fill_in_one_transaction(name: str, jobs: int) -> float:
    """Enqueue jobs one by one, but in one transaction; the seconds that took."""
    began = time.monotonic()
    with unit_of_work(Scope.tenant(organisation(1))):
        for i in range(jobs):
            enqueue(f"bench.{name}", {"i": i})
    return time.monotonic() - began


def _obey(
    name: str, first: int, jobs: int, batch: int = 1_000, organisations: int = 1, number: int = 1
) -> None:
    ensure_organisations(number + organisations - 1)
    if batch == 0:
        took = fill_in_one_transaction(name, jobs)
    else:
        took = fill(name, first, jobs, batch, range(number, number + organisations))
    print(json.dumps({"seconds": took, "at": time.time()}))


def main(verb: str, *numbers: str) -> None:
    """Be one of the processes."""
    settings = load_settings()
    attach_kinds(int(os.environ.get("BENCH_TURN", "1")))
    if verb == "worker":
        run_worker(settings)
    elif verb == "scheduler":
        run_scheduler(settings)
    else:
        init_database(settings)
        init_delivery(settings)
        _obey(verb, *map(int, numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
