"""PostgreSQL is really stopped, made read-only, or cuts connections: every 200 is kept, once."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from inbox_probe import PATH
from tests.support.platform import eventually
from tests.support.processes import PlatformProcess, await_http, free_port
from tests.support.vapi import Call, encoded

from clozone.local.bundle import Bundle
from clozone.local.process import ManagedProcess

SECRET = "the-secret-of-this-test-1234567890"
PROOF = {"X-Vapi-Secret": SECRET}
OUTAGE_SECONDS = 30.0


@dataclass
class Site:
    """A PostgreSQL of its own and the web processes on it, which share one spool."""

    bundle: Bundle
    environment: dict[str, str]
    logs: Path
    webs: list[PlatformProcess] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    @property
    def postgres(self) -> ManagedProcess:
        return self.bundle.process("postgres")

    def start_web(self) -> PlatformProcess:
        port = free_port()
        log = self.logs / f"web-{len(self.webs)}.log"
        arguments = ["web", "--bind", f"127.0.0.1:{port}"]
        self.webs.append(PlatformProcess(arguments, self.environment, log).start())
        self.addresses.append(f"http://127.0.0.1:{port}")
        await_http(f"{self.addresses[-1]}/api/health/live")
        return self.webs[-1]

    def start_postgres(self) -> None:
        self.postgres.start()
        assert self.postgres.wait_ready(60)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.bundle.superuser_url("clozone"), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def post(self, body: bytes, place: int = -1) -> httpx2.Response:
        address = f"{self.addresses[place]}{PATH}"
        return httpx2.post(address, content=body, headers=PROOF, timeout=30, trust_env=False)

    def spooled(self) -> list[str]:
        folder = Path(self.environment["SPOOL_DIR"])
        return sorted(path.name for path in folder.glob("*.event"))

    def await_drained(self) -> None:
        eventually(lambda: not self.spooled())
        assert not (Path(self.environment["SPOOL_DIR"]) / "refused").exists()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    bundle = Bundle(folder / "home", port=0, parts={"postgres", "valkey"})
    with ExitStack() as stack:
        stack.callback(bundle.destroy)
        bundle.start()
        own = {"VAPI_WEBHOOK_SECRET": SECRET, "SPOOL_DIR": str(folder / "spool")}
        environment = bundle.environment() | own
        migrating = PlatformProcess(["migrate"], environment, folder / "migrate.log").start()
        assert migrating.process is not None
        assert migrating.process.wait(60) == 0, migrating.log.read_text()
        site = Site(bundle, environment, folder)
        stack.callback(lambda: [web.stop(signal.SIGKILL) for web in site.webs])
        site.start_web()
        site.start_web()
        yield site


@contextmanager
def sending(site: Site, answers: list[tuple[bytes, httpx2.Response]]) -> Iterator[None]:
    """Deliver one message after the other, each third again to another process, until the end."""
    stop = threading.Event()

    def send(place: int) -> None:
        number = 0
        while not stop.wait(0.1):
            number += 1
            body = encoded(Call().status("in-progress", note=number))
            answers.append((body, site.post(body, place)))
            if number % 3 == 0:
                answers.append((body, site.post(body, 1 - place)))

    senders = [threading.Thread(target=send, args=(place,)) for place in (0, 1)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        stop.set()
        for sender in senders:
            sender.join()


def check_kept(site: Site, answers: list[tuple[bytes, httpx2.Response]]) -> None:
    """Each message that was answered by 200 has one row, one job, and all its deliveries counted."""
    assert [answer.status_code for _, answer in answers] == [200] * len(answers)
    deliveries = Counter(body for body, _ in answers)
    rows = site.rows(
        """SELECT e.body, e.deliveries, e.state,
          (SELECT count(*) FROM jobs WHERE subject_id = e.id AND state = 'queued')
        FROM webhook_events e WHERE e.body = ANY (%s)""",
        list(deliveries),
    )
    assert {(bytes(body), *facts) for body, *facts in rows} == {
        (body, count, "received", 1) for body, count in deliveries.items()
    }
    assert len(rows) == len(deliveries)
    ids = {answer.json()["id"] for _, answer in answers if not answer.json()["duplicate"]}
    stored = site.rows("SELECT id::text FROM webhook_events WHERE id = ANY (%s)", list(ids))
    # A repetition that could not be told from a first delivery was promised an id of its own.
    assert len(stored) == len(deliveries)


@pytest.mark.slow
def test_postgres_is_gone_for_half_a_minute(site: Site):
    answers: list[tuple[bytes, httpx2.Response]] = []
    with sending(site, answers):
        eventually(lambda: len(answers) > 10)
        site.postgres.stop()
        time.sleep(OUTAGE_SECONDS)
        assert site.spooled()
        health = httpx2.get(f"{site.addresses[0]}/api/health", timeout=30).json()
        assert health["components"]["spool"]["status"] == "degraded"
        site.start_postgres()
        site.await_drained()
        eventually(lambda: not site.spooled())
    site.await_drained()
    check_kept(site, answers)
    for web in site.webs:
        assert "PostgreSQL is away: webhooks go to the spool" in web.log.read_text()
        assert "PostgreSQL is back: webhooks go there again" in web.log.read_text()


def test_a_web_process_is_killed_before_it_can_drain(site: Site):
    site.postgres.stop()
    doomed = site.start_web()
    bodies = [encoded(Call().status("in-progress")) for _ in range(20)]
    answers = [(body, site.post(body)) for body in bodies]
    assert len(site.spooled()) == len(bodies)
    for web in site.webs:
        web.stop(signal.SIGKILL)
    site.start_postgres()
    assert doomed.process is not None
    assert len(site.spooled()) == len(bodies)
    site.start_web()
    site.start_web()
    site.await_drained()
    check_kept(site, answers)


def test_connections_are_cut_and_the_server_reads_only(site: Site):
    """As at a failover: the former primary ends its sessions, then refuses to write."""
    answers = [(body := encoded(Call().status("queued")), site.post(body))]
    site.rows("ALTER ROLE clozone_app SET default_transaction_read_only = on")
    try:
        site.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clozone_app'"
        )
        for _ in range(10):
            answers.append((body := encoded(Call().status("queued")), site.post(body)))
        assert len(site.spooled()) == 10
    finally:
        site.rows("ALTER ROLE clozone_app RESET default_transaction_read_only")
        site.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clozone_app'"
        )
    site.await_drained()
    check_kept(site, answers)


def test_a_lock_is_not_waited_for(site: Site):
    answers: list[tuple[bytes, httpx2.Response]] = []
    with psycopg.connect(site.bundle.superuser_url("clozone")) as connection:
        connection.execute("LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE")
        for _ in range(5):
            answers.append((body := encoded(Call().status("queued")), site.post(body)))
        assert len(site.spooled()) == 5
    site.await_drained()
    check_kept(site, answers)
