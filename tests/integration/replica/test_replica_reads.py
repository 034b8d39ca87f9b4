"""Lists through a real web process: from the standby while it is fit, and never an error."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
from replica_site import KEYS, Site, make_key, names_of_keys
from tests.support.platform import eventually

from clozone.infra.cache_writer import VersionWriter
from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.redis import sync_redis
from clozone.kit.ids import new_id

# How long somebody waits for a list before it counts as failed.
PATIENCE_SECONDS = 10.0


@contextmanager
def reading(admin: httpx2.Client) -> Iterator[list[int]]:
    """Several people read lists all the time; the statuses of their answers."""
    stop, statuses = threading.Event(), list[int]()

    def read() -> None:
        while not stop.wait(0.01):
            statuses.append(admin.get(KEYS).status_code)

    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    try:
        yield statuses
    finally:
        stop.set()
        for reader in readers:
            reader.join()


def test_lists_are_read_from_the_replica(site: Site) -> None:
    admin = site.admin(new_id())
    eventually(lambda: names_of_keys(admin) == [])
    primary, replica = site.lists_read_on("postgres"), site.lists_read_on("replica")
    for _ in range(20):
        names_of_keys(admin)
    assert site.lists_read_on("replica") == replica + 20
    assert site.lists_read_on("postgres") == primary


def test_analytics_are_read_from_the_replica_that_has_the_last_change(site: Site) -> None:
    org_id = new_id()
    admin = site.admin(org_id)
    versions = VersionWriter(sync_redis(site.settings.cache_url))
    versions.tell(org_id, UNKNOWN_POSITION)
    before = _analytics_read_on_replica(site)
    assert admin.get("/api/analytics").status_code == 200
    assert _analytics_read_on_replica(site) == before
    other = new_id()
    admin = site.admin(other)
    versions.tell(other, 1)
    assert admin.get("/api/analytics").status_code == 200
    assert _analytics_read_on_replica(site) == before + 1


def test_who_wrote_sees_it_at_once_and_others_within_the_bound(site: Site) -> None:
    org_id = new_id()
    writer, other = site.admin(org_id), site.admin(org_id)
    assert names_of_keys(other) == []
    site.rows("replica", "SELECT pg_wal_replay_pause()")
    make_key(writer, "new")
    assert names_of_keys(writer) == ["new"]
    # The other one is answered from the replica, which has stopped a moment ago.
    assert names_of_keys(other) == []
    eventually(lambda: names_of_keys(other) == ["new"])
    assert site.health()["status"] == "degraded"
    assert "behind" in site.health()["detail"]
    site.rows("replica", "SELECT pg_wal_replay_resume()")
    _await_lists_on_replica(site, other)


def test_who_wrote_sees_it_at_once_through_another_instance(
    site: Site, start_web: Callable[..., str]
) -> None:
    org_id = new_id()
    writer, other = site.admin(org_id), site.admin(org_id)
    address = start_web()
    site.await_replica(address)
    _await_lists_on_replica(site, other)
    site.rows("replica", "SELECT pg_wal_replay_pause()")
    make_key(writer, "new")
    for client in (writer, other):
        client.base_url = httpx2.URL(address)
    assert names_of_keys(other) == []
    assert names_of_keys(writer) == ["new"]


def test_while_redis_says_nothing_the_primary_is_read(site: Site) -> None:
    admin = site.admin(new_id())
    _await_lists_on_replica(site, admin)
    before = site.lists_read_on("postgres")
    site.bundle.kill("valkey", signal.SIGSTOP)
    try:
        assert names_of_keys(admin) == []
        assert site.lists_read_on("postgres") == before + 1
    finally:
        site.bundle.kill("valkey", signal.SIGCONT)


def test_connections_that_a_frozen_replica_does_not_take_cost_no_error(
    site: Site, start_web: Callable[..., str]
) -> None:
    admin = site.admin(new_id())
    admin.base_url = httpx2.URL(start_web())
    admin.timeout = httpx2.Timeout(PATIENCE_SECONDS)
    site.await_replica(str(admin.base_url))
    # No list was read yet, so each of them needs a connection of its own to be made.
    site.freeze(signal.SIGSTOP)
    with ThreadPoolExecutor(8) as people:
        answers = [people.submit(admin.get, KEYS) for _ in range(8)]
    assert {answer.result().status_code for answer in answers} == {200}


def test_a_refused_write_costs_nothing_either(site: Site) -> None:
    admin = site.admin(new_id())
    assert admin.post(KEYS, json={"name": ""}).status_code == 422
    assert names_of_keys(admin) == []


@pytest.mark.parametrize("harm", ["killed", "frozen"])
def test_a_replica_that_goes_costs_no_error(site: Site, harm: str) -> None:
    admin = site.admin(new_id())
    make_key(admin, "there")
    _await_lists_on_replica(site, admin)
    before = site.lists_read_on("postgres")
    with reading(admin) as statuses:
        eventually(lambda: len(statuses) > 50)
        if harm == "killed":
            site.bundle.kill("replica")
        else:
            site.freeze(signal.SIGSTOP)
        eventually(lambda: site.lists_read_on("postgres") > before + 20)
        if harm == "frozen":
            eventually(lambda: site.health()["status"] == "degraded")
            site.freeze(signal.SIGCONT)
        assert site.replica.wait_ready(60)
        _await_lists_on_replica(site, admin)
    assert set(statuses) == {200}


def test_a_server_that_is_no_standby_is_not_read_from(
    site: Site, start_web: Callable[..., str]
) -> None:
    address = start_web(DATABASE_REPLICA_URL=site.environment["DATABASE_URL"])
    answer = httpx2.get(f"{address}/api/health", timeout=30, trust_env=False)
    found = answer.json()["components"]["replica"]
    assert found["status"] == "degraded"
    assert "takes writes of its own" in found["detail"]


@pytest.mark.parametrize(
    ("wrong", "reason"), [("database", "another database"), ("login", "clozone_tenant")]
)
def test_the_wrong_database_or_login_costs_no_error(
    site: Site, start_web: Callable[..., str], wrong: str, reason: str
) -> None:
    url = urlsplit(site.environment["DATABASE_REPLICA_URL"])
    if wrong == "login":
        site.rows("postgres", "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        url = url._replace(netloc=f"stranger:stranger@{url.hostname}:{url.port}")
    else:
        url = url._replace(path="/postgres")
    admin = site.admin(new_id())
    address = start_web(DATABASE_REPLICA_URL=url.geturl())
    admin.base_url = httpx2.URL(address)
    eventually(lambda: reason in site.health(address)["detail"])
    make_key(admin, "one")
    assert names_of_keys(admin) == ["one"]
    assert admin.get("/api/analytics").status_code == 200


def test_a_replica_that_is_not_there_costs_no_error(
    site: Site, start_web: Callable[..., str]
) -> None:
    nowhere = "postgresql://clozone_app@127.0.0.1:9/clozone"
    admin = site.admin(new_id())
    admin.base_url = httpx2.URL(start_web(DATABASE_REPLICA_URL=nowhere))
    make_key(admin, "one")
    assert names_of_keys(admin) == ["one"]


def _await_lists_on_replica(site: Site, admin: httpx2.Client) -> None:
    before = site.lists_read_on("replica")

    def served() -> bool:
        names_of_keys(admin)
        return site.lists_read_on("replica") > before

    eventually(served)


def _analytics_read_on_replica(site: Site) -> int:
    find = """SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements
        WHERE query LIKE '%%analytics_report(%%'"""
    ((calls,),) = site.rows("replica", find)
    return int(calls)
