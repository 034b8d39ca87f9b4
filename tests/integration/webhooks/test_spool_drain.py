"""From the spool into the inbox: in order, once, and nothing that cannot be stored is lost."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr
from tests.support.vapi import Call, encoded

from clozone.infra.postgres import (
    OperationalError,
    Scope,
    close_database,
    init_database,
    unit_of_work,
)
from clozone.infra.spool import Spool, SpoolFailed, SpoolFull
from clozone.infra.spool_file import ReceivedRequest
from clozone.models.operations import Job, WebhookEvent
from clozone.settings import Settings
from clozone.webhooks import inbox
from clozone.webhooks.drain import drain
from clozone.webhooks.envelope import read_envelope

FOREVER = 3600.0
ROOMY = 10_000_000


@pytest.fixture
def spool(tmp_path: Path, platform_db: None) -> Spool:
    return Spool(tmp_path / "spool", ROOMY)


def request(body: bytes | None = None) -> ReceivedRequest:
    return inbox.received(body or encoded(Call().status("in-progress")), {"user-agent": "Vapi"})


def put(spool: Spool, count: int) -> list[ReceivedRequest]:
    requests = [request() for _ in range(count)]
    for each in requests:
        spool.put(each)
    return requests


def drained(spool: Spool) -> tuple[int, int]:
    return drain(spool, threading.Event(), FOREVER)


def events(*requests: ReceivedRequest) -> list[WebhookEvent]:
    with unit_of_work(Scope.platform()):
        ids = [each.id for each in requests]
        return list(WebhookEvent.select().where(WebhookEvent.id.in_(ids)).order_by(WebhookEvent.id))


def jobs(*requests: ReceivedRequest) -> list[Job]:
    """The jobs of deliveries, in the order they were added."""
    with unit_of_work(Scope.platform()):
        ids = [each.id for each in requests]
        return list(Job.select().where(Job.subject_id.in_(ids)).order_by(Job.created_at, Job.id))


def files(spool: Spool) -> set[str]:
    return {path.name for path in spool.folder.rglob("*") if path.is_file()} - {".lock"}


def test_what_waits_is_stored_as_it_was_received(spool: Spool):
    requests = put(spool, 20)
    assert drained(spool) == (20, 0)
    assert files(spool) == set()
    stored = events(*requests)
    assert [(e.id, bytes(e.body), e.received_at, e.headers, e.deliveries) for e in stored] == [
        (each.id, each.body, each.received_at, {"user-agent": "Vapi"}, 1) for each in requests
    ]
    assert [job.subject_id for job in jobs(*requests)] == [each.id for each in requests]
    assert drained(spool) == (0, 0)


def test_an_end_in_mid_work_leaves_the_rest(spool: Spool):
    put(spool, 5)
    stop = threading.Event()
    stop.set()
    assert drain(spool, stop, FOREVER) == (0, 5)
    assert drain(spool, threading.Event(), -1.0) == (0, 5)
    assert len(files(spool)) == 5
    assert drained(spool) == (5, 0)


def test_a_crash_between_commit_and_delete_changes_nothing(spool: Spool):
    (once,) = put(spool, 1)
    inbox.store(once, read_envelope(once.body))
    assert drained(spool) == (1, 0)
    ((event,), (job,)) = events(once), jobs(once)
    assert (event.deliveries, event.state, job.state) == (1, "received", "queued")


def test_a_duplicate_in_the_spool_counts_as_a_delivery(spool: Spool):
    first = request()
    inbox.store(first, read_envelope(first.body))
    again = request(first.body)
    spool.put(again)
    assert drained(spool) == (1, 0)
    assert events(again) == []
    ((event,), added) = events(first), jobs(first, again)
    assert (event.deliveries, event.received_at, event.last_delivered_at) == (
        2,
        first.received_at,
        again.received_at,
    )
    assert len(added) == 1


@pytest.mark.parametrize("length", [0, 10, 79, 80, 150, -1])
def test_a_torn_file_is_set_aside_and_holds_up_nobody(spool: Spool, length: int):
    torn, whole = put(spool, 2)
    path = spool.folder / f"{torn.id}.event"
    path.write_bytes(content := path.read_bytes()[:length])
    assert drained(spool) == (1, 0)
    assert len(events(torn, whole)) == 1
    refused = spool.folder / "refused"
    assert (refused / f"{torn.id}.event").read_bytes() == content
    assert "TornFile: the checksum" in (refused / f"{torn.id}.reason").read_text()
    assert (spool.usage().waiting, spool.usage().refused) == (0, 1)


def test_what_the_inbox_does_not_take_is_set_aside(spool: Spool):
    """Another version of the platform may have thought otherwise."""
    strange = request(b"[]")
    spool.put(strange)
    (fine,) = put(spool, 1)
    assert drained(spool) == (1, 0)
    assert len(events(fine)) == 1
    assert files(spool) == {f"{strange.id}.event", f"{strange.id}.reason"}
    reason = (spool.folder / "refused" / f"{strange.id}.reason").read_text()
    assert reason == 'Invalid: The body must be an object with an object under "message".\n'


def test_two_drainers_at_once(spool: Spool):
    requests = put(spool, 150)
    results: list[tuple[int, int]] = []
    other = Spool(spool.folder, ROOMY)

    def work(mine: Spool) -> None:
        while mine.waiting():
            results.append(drain(mine, threading.Event(), 0.05))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in (spool, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(stored for stored, _ in results) == len(requests)
    assert [event.deliveries for event in events(*requests)] == [1] * len(requests)
    assert [job.subject_id for job in jobs(*requests)] == [each.id for each in requests]


def test_while_one_drains_the_others_stand_by(spool: Spool):
    put(spool, 1)
    with spool.alone() as alone:
        assert alone
        assert drained(Spool(spool.folder, ROOMY)) == (0, 0)
    assert drained(spool) == (1, 0)


@pytest.fixture
def away(settings: Settings, platform_db: None) -> Iterator[None]:
    """This process without its database, for as long as the test runs."""
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    close_database()
    init_database(settings.model_copy(update={"database_url": SecretStr(nowhere)}))
    yield
    close_database()
    init_database(settings)


def test_without_postgres_everything_stays(spool: Spool, away: None):
    put(spool, 3)
    before = files(spool)
    with pytest.raises(OperationalError):
        drained(spool)
    assert files(spool) == before


def test_the_limit_counts_what_was_set_aside_too(tmp_path: Path):
    spool = Spool(tmp_path / "spool", 5_000)
    body = encoded(Call().status("in-progress", padding="x" * 2_000))
    first, second = request(body), request(body)
    spool.put(first)
    spool.set_aside(f"{first.id}.event", "for a test")
    spool.put(second)
    with pytest.raises(SpoolFull):
        spool.put(request(body))
    spool.remove(f"{second.id}.event")
    spool.put(request(body))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where mounting one is allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_the_disk_is_full(small_disk: Path):
    spool = Spool(small_disk / "spool", ROOMY)
    large = encoded(Call().status("in-progress", padding="x" * 300_000))
    kept = []
    with pytest.raises(SpoolFailed, match="No space left on device"):
        for _ in range(20):
            spool.put(each := request(large))
            kept.append(f"{each.id}.event")
    assert kept
    assert files(spool) == set(kept)
    # Something smaller still fits, and what is there can be read.
    spool.put(small := request())
    assert spool.read(f"{small.id}.event") == small
    assert [spool.read(name).body for name in kept] == [large] * len(kept)


def test_what_a_dead_writer_left_is_removed_in_time(spool: Spool):
    put(spool, 1)
    fresh, old = (spool.folder / f".{name}.unfinished" for name in ("fresh", "old"))
    for path in (fresh, old):
        path.write_bytes(b"half a")
    os.utime(old, (0, 0))
    assert drained(spool) == (1, 0)
    assert files(spool) == {fresh.name}


def test_a_delivery_the_database_refuses_is_set_aside(spool: Spool, environment: dict[str, str]):
    refused, fine = put(spool, 2)
    call_id = read_envelope(refused.body).call_id
    owner = environment["DATABASE_MIGRATE_URL"]
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            f"ALTER TABLE webhook_events ADD CONSTRAINT of_this_test CHECK (call_id <> '{call_id}')"
        )
        try:
            assert drained(spool) == (1, 0)
        finally:
            connection.execute("ALTER TABLE webhook_events DROP CONSTRAINT of_this_test")
    assert [UUID(str(event.id)) for event in events(refused, fine)] == [fine.id]
    reason = (spool.folder / "refused" / f"{refused.id}.reason").read_text()
    assert reason.startswith("IntegrityError")
    # Moved back by hand, it is stored.
    (spool.folder / "refused" / f"{refused.id}.event").rename(spool.folder / f"{refused.id}.event")
    assert drained(spool) == (1, 0)
    assert len(events(refused)) == 1
