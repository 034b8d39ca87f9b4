"""What hinders one spooled delivery hinders no other; and what a race leaves is looked at twice."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.support.platform import eventually
from tests.support.vapi import Call, encoded

from clozone.infra.postgres import Scope, close_database, database, unit_of_work
from clozone.infra.spool import Spool
from clozone.infra.spool_file import ReceivedRequest
from clozone.models.operations import Job, WebhookEvent
from clozone.settings import Settings
from clozone.web.offload import close_threads, open_threads
from clozone.webhooks import inbox
from clozone.webhooks.drain import drain
from clozone.webhooks.envelope import Envelope, read_envelope
from clozone.webhooks.inbox import Stored
from clozone.webhooks.intake import Intake
from clozone.webhooks.outage import Outage

FOREVER = 3600.0
POOLED = 3


@pytest.fixture
def spool(tmp_path: Path, platform_db: None) -> Spool:
    return Spool(tmp_path / "spool", 10_000_000)


def request(body: bytes | None = None) -> ReceivedRequest:
    return inbox.received(body or encoded(Call().status("in-progress")), {})


def put(spool: Spool, *requests: ReceivedRequest) -> None:
    for each in requests:
        spool.put(each)


def drained(spool: Spool, left_before: set[str] | None = None) -> tuple[int, int]:
    return drain(spool, threading.Event(), FOREVER, left_before)


def stored(*requests: ReceivedRequest) -> int:
    with unit_of_work(Scope.platform()):
        ids = [each.id for each in requests]
        return int(WebhookEvent.select().where(WebhookEvent.id.in_(ids)).count())


def test_what_cannot_be_set_aside_holds_up_nobody(spool: Spool):
    torn, *fine = (request() for _ in range(4))
    put(spool, torn, *fine)
    name = f"{torn.id}.event"
    (spool.folder / name).write_bytes(b"torn")
    in_the_way = spool.folder / "refused"
    in_the_way.write_text("a file where the folder should be")
    left: set[str] = set()
    assert drained(spool, left) == (3, 1)
    assert stored(*fine) == 3
    assert (left, spool.waiting()) == ({name}, [name])
    in_the_way.unlink()
    assert drained(spool, left) == (0, 0)
    assert (in_the_way / name).read_bytes() == b"torn"


@contextmanager
def locked(event: ReceivedRequest) -> Iterator[None]:
    """Somebody else is at work on the row of a delivery."""
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with unit_of_work(Scope.platform()):
            assert inbox.claim(event.id)
            held.set()
            assert go_on.wait(60)

    with ThreadPoolExecutor(1) as threads:
        holding = threads.submit(hold)
        assert held.wait(20)
        try:
            yield
        finally:
            go_on.set()
        holding.result()


def test_a_row_that_is_locked_holds_up_nobody_and_is_no_outage(spool: Spool):
    first = request()
    inbox.store(first, read_envelope(first.body))
    again, *others = request(first.body), request(), request()
    put(spool, again, *others)
    left: set[str] = set()
    with locked(first):
        assert drained(spool, left) == (2, 1)
        assert stored(*others) == 2
        late = request()
        put(spool, late)
        # What had to be left has its turn after what came later.
        assert drain(spool, threading.Event(), 1.0, left) == (1, 1)
    assert drained(spool, left) == (1, 0)
    assert left == set()
    with unit_of_work(Scope.platform()):
        assert WebhookEvent.get_by_id(first.id).deliveries == 2


def waiting_for_locks(count: int) -> Callable[[], bool]:
    def look() -> bool:
        with unit_of_work(Scope.platform()):
            (waiting,) = database.execute_sql(
                "SELECT count(*) FROM pg_locks WHERE NOT granted"
            ).fetchone()
            return int(waiting) >= count

    return look


def test_an_attempt_that_was_given_up_and_is_still_at_work(
    spool: Spool, environment: dict[str, str]
):
    late = request()
    with (
        psycopg.connect(environment["DATABASE_MIGRATE_URL"]) as owner,
        ThreadPoolExecutor(2) as threads,
    ):
        owner.execute("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
        given_up = threads.submit(inbox.store, late, read_envelope(late.body))
        eventually(waiting_for_locks(1))
        put(spool, late)
        draining = threads.submit(drained, spool)
        eventually(waiting_for_locks(2))
        owner.rollback()
        given_up.result()
        assert draining.result() == (1, 0)
    assert_stored_once(spool, late)


def test_an_attempt_that_was_given_up_and_commits_at_this_very_moment(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    """Between the insert's look for its key and the entry of its id: too short a time to hit."""
    late = request()
    put(spool, late)
    store = inbox.store

    def meets_it(request: ReceivedRequest, envelope: Envelope) -> Stored:
        monkeypatch.undo()
        store(request, envelope)
        with unit_of_work(Scope.platform()):
            WebhookEvent.create(id=request.id, message_type="", dedupe_key=b"", body=b"")
        raise AssertionError("the id was free")

    monkeypatch.setattr(inbox, "store", meets_it)
    assert drained(spool) == (1, 0)
    assert_stored_once(spool, late)


def assert_stored_once(spool: Spool, request: ReceivedRequest) -> None:
    assert spool.usage().refused == 0
    with unit_of_work(Scope.platform()):
        assert WebhookEvent.get_by_id(request.id).deliveries == 1
        assert Job.select().where(Job.subject_id == request.id).count() == 1


@pytest.fixture
def former_primary(platform_db: None) -> Iterator[None]:
    """Every pooled connection leads to a server that only reads, as after a failover; new ones do not."""
    close_database()
    together = threading.Barrier(POOLED)

    def connect(_: int) -> None:
        with database.connection_context():
            database.execute_sql("SET default_transaction_read_only = on")
            together.wait(20)

    with ThreadPoolExecutor(POOLED) as threads:
        list(threads.map(connect, range(POOLED)))
    yield
    close_database()


def test_after_a_failover_one_webhook_pays_for_all_connections(
    spool: Spool, settings: Settings, former_primary: None
):
    unlucky, next_one = (encoded(Call().status("in-progress")) for _ in range(2))

    async def deliver() -> list[int]:
        open_threads(settings)
        try:
            spooled = []
            for body in (unlucky, next_one):
                await Intake(spool, Outage()).take(body, {})
                spooled.append(len(spool.waiting()))
            return spooled
        finally:
            close_threads()

    assert asyncio.run(deliver()) == [1, 1]
