"""Slow statements hold every ordinary thread: the rest is told so, webhooks and sign-ins go on."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import httpx2
import psycopg
import pytest
from tests.support.people import PASSWORD, Team
from tests.support.platform import eventually
from tests.support.processes import PlatformProcess, await_http, free_port
from tests.support.vapi import Call, encoded

from clozone.accounts.tokens import AccessTokens
from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.operations import WebhookEvent
from clozone.settings import Settings
from clozone.web.identity import Role

SECRET = "the-secret-of-this-test-1234567890"
KEYS = "/api/api-keys"
THREADS = 4
ORDINARY = 3


@pytest.fixture
def small(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web process with few threads, and its log."""
    port, log = free_port(), tmp_path / "web.log"
    own = {
        "DATABASE_POOL_SIZE": str(THREADS),
        "OFFLOAD_WAIT_SECONDS": "0.5",
        "VAPI_WEBHOOK_SECRET": SECRET,
    }
    with PlatformProcess(["web", "--bind", f"127.0.0.1:{port}"], environment | own, log):
        await_http(f"http://127.0.0.1:{port}/api/health/live")
        yield f"http://127.0.0.1:{port}", log


@pytest.fixture
def admin(small: tuple[str, Path], team: Team, settings: Settings) -> Iterator[httpx2.Client]:
    token = AccessTokens(settings).issue(team.people["admin"], team.org_id, Role.admin)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=small[0], headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def slow_lists(settings: Settings, environment: dict[str, str]) -> Iterator[threading.Event]:
    """Lists of API keys wait, inside the database, until the event is set."""
    url = environment["DATABASE_MIGRATE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        release = threading.Event()
        releasing = threading.Thread(target=lambda: (release.wait(), connection.rollback()))
        releasing.start()
        yield release
        release.set()
        releasing.join()


def test_the_rest_is_told_to_come_back_and_webhooks_and_sign_ins_go_on(
    small: tuple[str, Path], admin: httpx2.Client, team: Team, slow_lists: threading.Event
) -> None:
    with ThreadPoolExecutor(ORDINARY + 4) as clients:
        asked: set[Future[httpx2.Response]] = {
            clients.submit(admin.get, KEYS) for _ in range(ORDINARY + 4)
        }
        refused: set[Future[httpx2.Response]] = set()
        while len(refused) < 4:
            done, _ = wait(asked - refused, 20, FIRST_COMPLETED)
            assert done, "nobody was refused"
            refused |= done
        for each in refused:
            answer = each.result()
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert answer.json()["detail"] == "The platform is busy. Try again in a moment."
        # Those that wait in the database still do.
        assert not any(each.done() for each in asked - refused)
        message = encoded(Call().status("in-progress"))
        proof = {"X-Vapi-Secret": SECRET}
        stored = admin.post("/api/webhooks/vapi", content=message, headers=proof)
        assert stored.status_code == 200
        body = {"email": team.email("rep"), "password": PASSWORD}
        assert admin.post("/api/auth/login", json=body).status_code == 200
        slow_lists.set()
        assert {each.result().status_code for each in asked - refused} == {200}
    _check_stored(stored.json()["id"])
    told = {
        (line["status"], "db_wait_ms" in line)
        for line in _lines(small[1])
        if line.get("route") == KEYS
    }
    assert told == {(503, True), (200, False)}


def _check_stored(event_id: str) -> None:
    """It went into PostgreSQL, not into the spool."""
    with unit_of_work(Scope.platform()):
        assert WebhookEvent.select().where(WebhookEvent.id == event_id).count() == 1


def _lines(log: Path) -> list[dict[str, object]]:
    """The access lines, once all have been written."""

    def read() -> list[dict[str, object]]:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if line.get("message") == "request"]

    eventually(lambda: len(read()) >= ORDINARY + 6)
    return read()
