"""A reload while people and Vapi go on sending."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
from bench.reload.load import Load, Report, Request
from tests.conftest import GENEROUS
from tests.support.platform import Platform, demo_call

from clozone.kit.ids import new_id
from clozone.local.bundle import Bundle

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
    try:
        yield Platform(bundle)
    finally:
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

    def under(self, act: Callable[[], object]) -> Report:
        """What came of the requests that were sent while `act` ran, and a little before and after."""

        async def run() -> Report:
            port = urlsplit(self._site.url).port or 80
            load = Load("127.0.0.1", port, RATE, self._request, stream=self._stream)
            async with load.running() as report:
                await asyncio.sleep(1)
                await asyncio.to_thread(act)
                await asyncio.sleep(1)
            return report

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


def _lines(report: Report) -> list[str]:
    return list(report.lines())


def test_everything_of_ours_is_replaced_and_no_request_fails(
    site: Platform, traffic: Traffic
) -> None:
    before = _pids(site)
    news: list[tuple[str, str]] = []
    report = traffic.under(
        lambda: site.bundle.reload(progress=lambda each: news.append((each.name, each.state)))
    )
    assert _lines(report) == []
    assert report.stream_ends > 0  # they were told to come back, and did
    assert traffic.stored_once()
    after = _pids(site)
    changed = {name for name, pid in after.items() if pid != before[name]}
    assert changed == {"web-1", "web-2", "worker", "scheduler"}
    assert [name for name, state in news if state == "replaced"] == [
        *("web-1", "web-2", "worker", "scheduler")
    ]
    assert httpx2.get(f"{site.url}/api/health").json()["status"] == "up"


def test_a_new_configuration_of_nginx_breaks_no_request(site: Platform, traffic: Traffic) -> None:
    report = traffic.under(
        lambda: [
            site.bundle.reload(["nginx"], {"NGINX_CONNECTIONS": str(number)})
            for number in (301, 302, 303)
        ]
    )
    assert _lines(report) == []
    assert traffic.stored_once()
    config = (site.bundle.home.folder("nginx") / "clozone.conf").read_text()
    assert "limit_conn clozone_connections 303;" in config
