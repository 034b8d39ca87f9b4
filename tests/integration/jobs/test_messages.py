"""What goes through Redis, and what happens without it."""

import json
import os
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from job_probe import Probe, eventually

from clozone.infra.postgres import Scope, unit_of_work
from clozone.infra.redis import sync_redis
from clozone.jobs import delivery as module
from clozone.jobs.delivery import MOST_MESSAGES, Delivery, delivery, init_delivery
from clozone.jobs.enqueue import Order, enqueue_many
from clozone.jobs.kinds import Queue
from clozone.local.bundle import Bundle
from clozone.settings import Settings

KEY = "huey.redis.clozone_bulk"


class _Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self._path),)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Bundle]:
    """A Redis that no other test's worker takes from, and that may be stopped."""
    with Bundle(tmp_path / "redis", port=0, parts=["valkey"]) as bundle:
        yield bundle


@pytest.fixture
def own_settings(settings: Settings, own_redis: Bundle) -> Settings:
    return settings.model_copy(update={"redis_url": own_redis.environment()["REDIS_URL"]})


@pytest.fixture
def announced(platform_db: None, own_settings: Settings, settings: Settings) -> Iterator[Delivery]:
    """What this process enqueues is announced in that Redis."""
    yield init_delivery(own_settings)
    init_delivery(settings)


@pytest.fixture
def listening(
    announced: Delivery, probe: Probe, own_settings: Settings
) -> Iterator[Callable[[], None]]:
    """Starts the threads of a worker, without its process."""
    started: list[module._Consumer] = []

    def start() -> None:
        worker = probe.worker()
        threads = dict.fromkeys(Queue, 1)
        started.extend(Delivery(own_settings).consumers(threads, worker.runner.drain))
        for consumer in started:
            consumer.start_threads()

    yield start
    for consumer in started:
        consumer.stop_taking()
    for consumer in started:
        consumer.join(time.monotonic() + 20)


def test_messages_are_json_and_name_a_job(
    announced: Delivery, probe: Probe, own_settings: Settings
) -> None:
    job_id = probe.enqueue()
    (message,) = sync_redis(own_settings.redis_url).lrange(KEY, 0, -1)
    fields = json.loads(message)
    assert fields["job_id"] == str(job_id)
    assert fields.keys() == {"id", "job_id"}


def test_a_message_that_is_code_is_never_run(
    announced: Delivery,
    probe: Probe,
    listening: Callable[[], None],
    own_settings: Settings,
    tmp_path: Path,
) -> None:
    victim = tmp_path / "ran"
    bomb = pickle.dumps(_Bomb(victim))
    redis = sync_redis(own_settings.redis_url)
    for rubbish in (bomb, b"\x80\x04not json", b"{}", b"[]", b'{"id": 1}'):
        redis.lpush(KEY, rubbish)
    listening()
    job_id = probe.enqueue()
    eventually(lambda: probe.row(job_id).state == "succeeded")
    assert not victim.exists()


def test_however_many_jobs_wait_redis_holds_few_messages(announced: Delivery, probe: Probe) -> None:
    with unit_of_work(Scope.tenant(probe.org_id)):
        enqueue_many(probe.kind, [Order({}) for _ in range(500)])
    for _ in range(100):
        probe.enqueue()
    assert delivery().backlog(Queue.bulk) == MOST_MESSAGES


def test_a_worker_runs_all_that_waits_for_one_message(
    announced: Delivery, probe: Probe, listening: Callable[[], None]
) -> None:
    with unit_of_work(Scope.tenant(probe.org_id)):
        ids = enqueue_many(probe.kind, [Order({}) for _ in range(50)])
    announced.forget_everything()
    listening()
    announced.ring(Queue.bulk, ids[0])
    eventually(lambda: {probe.row(job_id).state for job_id in ids} == {"succeeded"})


def test_without_redis_a_worker_finds_jobs_in_the_database(
    announced: Delivery, probe: Probe, listening: Callable[[], None], own_redis: Bundle
) -> None:
    listening()
    own_redis.stop()
    job_id = probe.enqueue()
    eventually(lambda: probe.row(job_id).state == "succeeded")
