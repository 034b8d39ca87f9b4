"""Changes that are made while Redis does not answer."""

import signal
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from clozone.infra.cache_version import DISTRUST_SECONDS, position_after, version_key
from clozone.infra.cache_writer import VersionWriter
from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.redis import sync_redis
from clozone.kit.ids import new_id
from clozone.local.bundle import Bundle

PATIENT_SECONDS = 30
POSITION = 2**40


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    """A server of our own, to be stopped."""
    with Bundle(tmp_path_factory.mktemp("cache-redis") / "home", port=0, parts=["valkey"]) as it:
        yield it


class Interrupted(VersionWriter):
    """Between the telling of a noted change and what comes after it, something happens once."""

    meanwhile: Callable[[], None] | None = None

    def _set(self, org_id: UUID, position: int) -> bool:
        told = super()._set(org_id, position)
        if told and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return told


@pytest.fixture
def redis(valkey: Bundle) -> Redis:
    """A client that waits for a server that is stopped."""
    return sync_redis(valkey.environment()["REDIS_URL"], timeout_seconds=PATIENT_SECONDS)


@pytest.fixture
def writer(valkey: Bundle) -> Iterator[Interrupted]:
    url = valkey.environment()["REDIS_URL"]
    writer = Interrupted(sync_redis(url, timeout_seconds=0.2))
    yield writer
    writer.close()


@pytest.fixture
def position_in(redis: Redis) -> Callable[[UUID], int | None]:
    """The position of an organisation's version, None without one."""

    def position_in(org_id: UUID) -> int | None:
        version = redis.get(version_key(org_id))
        return None if version is None else int.from_bytes(version[16:24], "big")

    return position_in


def test_a_change_is_told_at_once(writer, position_in):
    org_id = new_id()
    writer.tell(org_id, POSITION)
    assert position_in(org_id) == POSITION


def test_a_full_redis_loses_the_version(writer, redis):
    changed, at_rest = new_id(), new_id()
    for org_id in (changed, at_rest):
        writer.tell(org_id, POSITION)
    room = redis.config_get("maxmemory")["maxmemory"]
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError):
            redis.set("clozone:test", b"no room")
        writer.tell(changed, POSITION + 1)
        assert redis.get(version_key(changed)) is None
        assert redis.get(version_key(at_rest)) is not None
    finally:
        redis.config_set("maxmemory", room)
    assert writer._teller is None


def test_what_is_no_version_makes_way(writer, redis, position_in):
    org_id = new_id()
    redis.rpush(version_key(org_id), b"a")
    writer.tell(org_id, POSITION)
    assert redis.get(version_key(org_id)) is None
    writer.tell(org_id, POSITION)
    assert position_in(org_id) == POSITION


def test_changes_while_redis_is_away_are_told_when_it_is_back(valkey, writer, position_in):
    first, second = new_id(), new_id()
    writer.tell(first, 1)
    valkey.kill("valkey", signal.SIGSTOP)
    try:
        writer.tell(first, POSITION)
        writer.tell(second, 7)
        writer.tell(first, POSITION - 1)
    finally:
        valkey.kill("valkey", signal.SIGCONT)
    deadline = time.monotonic() + PATIENT_SECONDS
    while (position_in(first), position_in(second)) != (POSITION, 7):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # And the next ones are told at once again.
    while writer._teller is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    writer.tell(second, 8)
    assert position_in(second) == 8


def test_a_change_that_comes_while_an_equal_one_is_told_is_told_too(valkey, writer, redis):
    org_id = new_id()
    key, seen = version_key(org_id), []

    def change_again() -> None:
        seen.append(redis.get(key))
        writer.tell(org_id, 0)

    valkey.kill("valkey", signal.SIGSTOP)
    try:
        writer.tell(org_id, 0)
        writer.meanwhile = change_again
    finally:
        valkey.kill("valkey", signal.SIGCONT)
    deadline = time.monotonic() + PATIENT_SECONDS
    while not seen or redis.get(key) == seen[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_change_without_a_position_is_not_trusted_to_a_replica_for_a_while(
    valkey, writer, monkeypatch
):
    org_id, client = new_id(), sync_redis(valkey.environment()["REDIS_URL"])

    def after() -> int:
        return position_after(client.get(version_key(org_id)))

    writer.tell(org_id, UNKNOWN_POSITION)
    writer.tell(org_id, POSITION)
    assert after() == UNKNOWN_POSITION
    later = time.time() + DISTRUST_SECONDS + 1
    monkeypatch.setattr("clozone.infra.cache_version.time.time", lambda: later)
    # What was known is not forgotten, and what was unknown does not stay.
    assert after() == POSITION
