"""A reload while people and Vapi go on sending."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from bench.reload.load import Load, Request, Tally
from tests.conftest import GENEROUS
from tests.support.platform import Platform, demo_call, eventually

from clozone.kit.ids import new_id
from clozone.local.bundle import Bundle
from clozone.local.errors import BundleError

RATE = 80
WIDE_OPEN = {
    "NGINX_RATE_API": "100000r/s",
    "NGINX_BURST_API": "100000",
    "NGINX_RATE_WEBHOOKS": "100000r/s",
    "NGINX_BURST_WEBHOOKS": "100000",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of this module's own: what is done to it, no other test should feel."""
    home = tmp_path_factory.mktemp("reload") / "home"
    bundle = Bundle(home, port=0, env=os.environ | GENEROUS | WIDE_OPEN)
    bundle.start()
    # So it hears what the command asks for.
    waiting = threading.Thread(target=bundle.wait)
    waiting.start()
    try:
        yield Platform(bundle)
    finally:
        bundle.request_stop()
        waiting.join()
        bundle.destroy()


class Traffic:
    """Reads, writes and webhooks through nginx, an open stream, and what they left behind."""

    def __init__(self, site: Platform) -> None:
        self._site = site
        self._calls: set[str] = set()
        rep = site.signed_in("rep")
        self._headers = {"Authorization": str(rep.headers["Authorization"])}
        templates = rep.get("/api/templates").json()["items"]
        self._session = json.dumps({"template_id": templates[0]["id"]}).encode()
        watched = site.start_session(rep, demo_call("01-discovery-strong"))
        self._stream = Request("stream", "GET", f"/api/sessions/{watched}/events", self._headers)

    def under(self, act: Callable[[], object]) -> Tally:
        """What came of the requests that were sent while `act` ran, and a little before and after."""

        async def run() -> Tally:
            port = urlsplit(self._site.url).port or 80
            load = Load("127.0.0.1", port, RATE, self._request, stream=self._stream)
            async with load.running() as tally:
                await asyncio.sleep(1)
                await asyncio.to_thread(act)
                await asyncio.sleep(1)
            return tally

        return asyncio.run(run())

    def stored_once(self) -> bool:
        """Whether each webhook that was sent is in the inbox, once."""
        rows = self._site.rows(
            "SELECT call_id, count(*) FROM webhook_events GROUP BY call_id HAVING call_id = ANY(%s)",
            list(self._calls),
        )
        return dict(rows) == dict.fromkeys(self._calls, 1)

    def _request(self, number: int) -> Request:
        if number % 4 == 0:
            return Request("read", "GET", "/api/sessions", self._headers)
        if number % 4 == 1:
            json_headers = self._headers | {"Content-Type": "application/json"}
            return Request("start", "POST", "/api/sessions", json_headers, self._session)
        return self._webhook()

    def _webhook(self) -> Request:
        call_id = str(new_id())
        self._calls.add(call_id)
        vapi = self._site.credentials["vapi"]
        headers = {vapi["header"]: vapi["secret"], "Content-Type": "application/json"}
        message = {"type": "status-update", "status": "in-progress", "call": {"id": call_id}}
        body = json.dumps({"message": message}).encode()
        return Request("webhook", "POST", "/api/webhooks/vapi", headers, body)


@pytest.fixture
def traffic(site: Platform) -> Traffic:
    return Traffic(site)


def _pids(site: Platform) -> dict[str, int | None]:
    return {process.name: process.pid for process in site.bundle.processes}


def _nginx_configuration(site: Platform) -> str:
    return (site.bundle.home.folder("nginx") / "current" / "clozone.conf").read_text()


def _lines(tally: Tally) -> list[str]:
    return list(tally.lines())


def _reload_command(
    site: Platform, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clozone", "reload", *words],
        env=os.environ | {"CLOZONE_HOME": str(site.bundle.home.root)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_everything_of_ours_is_replaced_and_no_request_fails(
    site: Platform, traffic: Traffic
) -> None:
    before = _pids(site)
    news: list[tuple[str, str]] = []
    tally = traffic.under(
        lambda: site.bundle.reload(progress=lambda each: news.append((each.name, each.state)))
    )
    assert _lines(tally) == []
    assert tally.stream_ends > 0  # they were told to come back, and did
    assert traffic.stored_once()
    after = _pids(site)
    changed = {name for name, pid in after.items() if pid != before[name]}
    assert changed == {"web-1", "web-2", "worker", "scheduler"}
    assert [name for name, state in news if state == "replaced"] == [
        *("web-1", "web-2", "worker", "scheduler")
    ]
    eventually(lambda: httpx2.get(f"{site.url}/api/health").json()["status"] == "up")


def test_a_new_configuration_of_nginx_breaks_no_request(site: Platform, traffic: Traffic) -> None:
    tally = traffic.under(
        lambda: [
            site.bundle.reload(["nginx"], {"NGINX_CONNECTIONS": str(number)})
            for number in (301, 302, 303)
        ]
    )
    assert _lines(tally) == []
    assert traffic.stored_once()
    assert "limit_conn clozone_connections 303;" in _nginx_configuration(site)


def test_a_stop_by_signal_alone_breaks_no_request(site: Platform, traffic: Traffic) -> None:
    """As pm2 and compose stop an instance: nobody tells nginx."""
    tally = traffic.under(lambda: site.bundle.restart("web-2"))
    assert _lines(tally) == []
    assert traffic.stored_once()


def test_a_killed_instance_breaks_only_what_must_not_be_sent_twice(
    site: Platform, traffic: Traffic
) -> None:
    process = site.bundle.process("web-1")
    launches = process.restarts

    def kill() -> None:
        site.bundle.kill("web-1")
        eventually(lambda: process.restarts > launches and process.state == "ready")

    tally = traffic.under(kill)
    assert tally.sent["read"] > 0
    # What was on its way in that instance: a POST that may have arrived, and streams.
    assert {kind for kind, _ in tally.failures} <= {"start", "webhook", "stream"}
    assert {failure for _, failure in tally.failures} <= {"502", "broken off"}


def test_a_state_that_does_not_start_changes_nothing(site: Platform, traffic: Traffic) -> None:
    before = _pids(site)
    outcome: list[subprocess.CompletedProcess[str]] = []
    wrong = {"JWT_SECRET": "short", "NGINX_CONNECTIONS": "299"}
    tally = traffic.under(lambda: outcome.append(_reload_command(site, **wrong)))
    assert _lines(tally) == []
    assert outcome[0].returncode == 1
    assert "The new web-1 ended with code 1 before it was ready" in outcome[0].stderr
    assert "at least 32 characters" in outcome[0].stderr
    assert _pids(site) == before
    assert [process.state for process in site.bundle.processes] == ["ready"] * len(before)
    assert "clozone_connections 299;" not in _nginx_configuration(site)


def test_a_reload_that_ends_half_way_says_what_is_new(site: Platform) -> None:
    before = _pids(site)
    too_long = {"CORS_ORIGINS": f"https://{'a' * 600}.example"}
    with pytest.raises(BundleError, match="scheduler already is new; nginx runs on as it was"):
        site.bundle.reload(["nginx", "scheduler"], too_long)
    assert {name for name, pid in _pids(site).items() if pid != before[name]} == {"scheduler"}
    assert "aaaaaaaa" not in _nginx_configuration(site)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"LOG_FORMAT": "verse"}, "LOG_FORMAT"),
        ({"CLOZONE_PORT": "1"}, "CLOZONE_PORT cannot be changed by a reload"),
        ({"NGINX_RATE_API": "many"}, "NGINX_RATE_API is 'many'"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_is_touched(
    site: Platform, variables: dict[str, str], reason: str
) -> None:
    before = _pids(site)
    result = _reload_command(site, **variables)
    assert result.returncode == 1
    assert reason in result.stderr
    assert _pids(site) == before


def test_the_command_brings_in_new_settings_and_keeps_the_others(site: Platform) -> None:
    before = _pids(site)
    result = _reload_command(site, "--only", "web", LOG_LEVEL="DEBUG")
    assert result.returncode == 0, result.stderr
    assert "web-1" in result.stdout
    assert "web-2" in result.stdout
    after = _pids(site)
    assert {name for name, pid in after.items() if pid != before[name]} == {"web-1", "web-2"}
    assert _variable(after["web-1"], "LOG_LEVEL") == "DEBUG"
    assert _variable(after["web-1"], "RATE_LIMIT_API") == GENEROUS["RATE_LIMIT_API"]
    again = _reload_command(site, "--only", "web", LOG_LEVEL="")
    assert again.returncode == 0, again.stderr
    assert _variable(_pids(site)["web-2"], "LOG_LEVEL") is None


def _variable(pid: int | None, name: str) -> str | None:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    variables = dict(pair.decode().split("=", 1) for pair in pairs if b"=" in pair)
    return variables.get(name)


def test_a_crash_after_a_reload_is_mended_as_before_it(site: Platform) -> None:
    site.bundle.reload(["scheduler"])
    process = site.bundle.process("scheduler")
    before = process.pid
    site.bundle.kill("scheduler")
    assert process.wait_ready(30, since_launch=1)
    assert process.pid != before
    assert process.restarts == 1


def test_without_a_running_platform_the_command_says_so(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "clozone", "reload"],
        env=os.environ | {"CLOZONE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert f"No Clozone is running in {tmp_path}" in result.stderr
