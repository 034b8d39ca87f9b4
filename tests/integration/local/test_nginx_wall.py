"""The coarse wall: who is counted together, what is counted apart, and how a refusal reads."""

from collections.abc import Iterator

import httpx2
import pytest
from tests.integration.local.conftest import PLAIN
from tests.integration.local.stand_in import upstream
from tests.support.nginx_site import client_from, is_problem, ports

from clozone.local.bundle import Bundle

# Refilled once a minute: during a test a zone gives its burst and the first, and no more.
LIMITS = {
    **{"NGINX_RATE_API": "1r/m", "NGINX_BURST_API": "40"},
    **{"NGINX_RATE_STRICT": "1r/m", "NGINX_BURST_STRICT": "4"},
    **{"NGINX_RATE_WEBHOOKS": "1r/m", "NGINX_BURST_WEBHOOKS": "19"},
    **{"NGINX_RATE_FILES": "1r/m", "NGINX_BURST_FILES": "14"},
    **{"NGINX_RATE_HEALTH": "1r/m", "NGINX_BURST_HEALTH": "9"},
    "NGINX_STREAMS": "3",
    "NGINX_REAL_IP_FROM": "127.0.0.9",
}
LOGIN = "/api/auth/login"
GRADING = "/api/analytics/grade-transcript"


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    bundle = Bundle(tmp_path_factory.mktemp("nginx") / "home", 0, PLAIN | LIMITS, {"nginx"})
    bundle.start()
    with upstream(ports(bundle)["web-1"]), upstream(ports(bundle)["s3"]):
        yield bundle
    bundle.destroy()


@pytest.fixture
def proxy(walled: Bundle) -> Iterator[httpx2.Client]:
    """The proxy whose word on the client counts."""
    with client_from(walled, "127.0.0.9") as client:
        yield client


def _accepted(client: httpx2.Client, method: str, path: str, times: int, asker: str) -> int:
    """How many of `times` requests of `asker` pass; the others are refused as they should be."""
    answers = [
        client.request(method, path, headers={"X-Forwarded-For": asker}) for _ in range(times)
    ]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert all(is_problem(answer, 429, "rate_limited") for answer in refused)
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert all(answer.headers["cache-control"] == "no-store" for answer in refused)
    return times - len(refused)


@pytest.mark.parametrize(
    ("method", "path", "passes"),
    [
        ("GET", "/api/sessions", 41),
        ("POST", LOGIN, 5),
        ("POST", GRADING, 5),
        ("POST", "/api/webhooks/vapi", 20),
        ("GET", "/clozone/a.pdf", 15),
        ("GET", "/api/health", 10),
        ("GET", "/api/health/ready", 10),
    ],
)
def test_each_zone_has_its_number(
    proxy: httpx2.Client, method: str, path: str, passes: int, request: pytest.FixtureRequest
) -> None:
    asker = f"203.0.113.{request.node.callspec.indices['path'] + 1}"
    assert _accepted(proxy, method, path, 50, asker) == passes


def test_sign_ins_and_gradings_are_counted_together_also_as_streams(proxy: httpx2.Client) -> None:
    asker = "203.0.113.50"
    assert _accepted(proxy, "POST", LOGIN, 3, asker) == 3
    assert _accepted(proxy, "POST", GRADING, 3, asker) == 2
    stream = {"X-Forwarded-For": asker, "Accept": "text/event-stream"}
    assert is_problem(proxy.post(LOGIN, headers=stream), 429, "rate_limited")
    # Looking at the address, as a browser does before it posts, is not signing in.
    assert proxy.request("OPTIONS", LOGIN, headers={"X-Forwarded-For": asker}).status_code != 429


def test_a_zone_that_is_used_up_leaves_the_others_alone(proxy: httpx2.Client) -> None:
    asker = "203.0.113.60"
    assert _accepted(proxy, "GET", "/api/sessions", 60, asker) == 41
    assert _accepted(proxy, "POST", "/api/webhooks/vapi", 20, asker) == 20
    assert _accepted(proxy, "GET", "/api/health/live", 10, asker) == 10
    assert _accepted(proxy, "GET", "/clozone/a.pdf", 15, asker) == 15


def test_addresses_of_one_ipv6_network_are_one_client(proxy: httpx2.Client) -> None:
    passed = [
        _accepted(proxy, "GET", "/api/x", 1, f"2001:db8:0:42{n:02x}::{n + 1:x}") for n in range(50)
    ]
    assert sum(passed) == 41
    assert _accepted(proxy, "GET", "/api/x", 1, "2001:db8:0:4300::1") == 1


def test_bytes_of_an_ipv6_network_that_are_line_ends_count_too(proxy: httpx2.Client) -> None:
    passed = [
        _accepted(proxy, "GET", "/api/x", 1, f"2001:0a0a:a0a:a00::{n + 1:x}") for n in range(50)
    ]
    assert sum(passed) == 41
    assert _accepted(proxy, "GET", "/api/x", 1, "2001:0a0a:a0a:b00::1") == 1


def test_ipv4_inside_ipv6_is_the_ipv4_address(proxy: httpx2.Client) -> None:
    assert _accepted(proxy, "GET", "/api/x", 41, "::ffff:203.0.113.70") == 41
    assert _accepted(proxy, "GET", "/api/x", 1, "203.0.113.70") == 0
    assert _accepted(proxy, "GET", "/api/x", 1, "::ffff:203.0.113.71") == 1


def test_open_streams_are_counted_apart_from_requests(walled: Bundle) -> None:
    headers = {"Accept": "text/event-stream"}
    with client_from(walled, "127.0.0.7") as client:
        streams = [
            client.send(client.build_request("GET", "/api/x/stream", headers=headers), stream=True)
            for _ in range(4)
        ]
        assert [stream.status_code for stream in streams] == [200, 200, 200, 429]
        assert client.get("/api/x").status_code == 200
        for stream in streams:
            stream.close()
