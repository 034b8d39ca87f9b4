"""How nginx speaks to clients and to the platform: HTTP/2, kept connections, streams, sizes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from tests.integration.local.conftest import PLAIN
from tests.integration.local.stand_in import Upstream, upstream
from tests.support.nginx_site import is_problem, ports, raw

from clozone.local.bundle import Bundle

MEBIBYTE = 1024 * 1024
LIMITS = {"NGINX_RATE_API": "10000r/s", "NGINX_FRONTEND_CSP": "default-src 'self'"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    env = PLAIN | LIMITS | {"CLOZONE_WEB_INSTANCES": "1", "MAX_BODY_BYTES": str(2 * MEBIBYTE)}
    bundle = Bundle(tmp_path_factory.mktemp("nginx") / "home", 0, env, {"nginx"})
    bundle.start()
    yield bundle
    bundle.destroy()


@pytest.fixture
def web(bundle: Bundle) -> Iterator[Upstream]:
    with upstream(ports(bundle)["web-1"]) as server:
        yield server


@pytest.fixture(params=["1.1", "2"])
def client(bundle: Bundle, request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    """One that speaks this version, of HTTP/2 with prior knowledge: there is no TLS here."""
    with httpx2.Client(
        base_url=bundle.url.replace("localhost", "127.0.0.1"),
        http1=request.param == "1.1",
        http2=request.param == "2",
    ) as client:
        yield client


@pytest.fixture
def classic(bundle: Bundle) -> Iterator[httpx2.Client]:
    """One that speaks HTTP/1.1, for errors that HTTP/2 says by ending the stream or connection."""
    with httpx2.Client(base_url=bundle.url.replace("localhost", "127.0.0.1")) as client:
        yield client


def test_both_versions_are_spoken(
    client: httpx2.Client, web: Upstream, request: pytest.FixtureRequest
) -> None:
    version = f"HTTP/{request.node.callspec.params['client']}"
    answers = [client.get("/"), client.get("/api/x"), client.post("/api/x", json={"a": 1})]
    assert [(each.http_version, each.status_code) for each in answers] == [(version, 200)] * 3
    assert is_problem(client.get("/nothing.js"), 404, "not_found")


@contextmanager
def _event_source(port: int, go_on: threading.Semaphore) -> Iterator[None]:
    """A server of one stream, whose next event leaves only when it is told to."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
                )
                for number in range(3):
                    go_on.acquire(timeout=20)
                    connection.sendall(b"data: %d\n\n" % number)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            go_on.release(3)
            thread.join()


def test_each_event_arrives_before_the_next_one_is_sent(
    client: httpx2.Client, bundle: Bundle
) -> None:
    """Were anything held back, the second event would be waited for until the time is up."""
    go_on = threading.Semaphore(0)
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
    with (
        _event_source(ports(bundle)["web-1"], go_on),
        client.stream("GET", "/api/sessions/1/events", headers=headers, timeout=10) as response,
    ):
        assert "content-encoding" not in response.headers
        pieces = response.iter_raw()
        for number in range(3):
            go_on.release()
            assert next(pieces) == b"data: %d\n\n" % number


def test_connections_to_the_platform_are_kept(client: httpx2.Client, web: Upstream) -> None:
    for _ in range(30):
        assert client.get("/api/x").status_code == 200
    assert len(web.requests) == 30
    assert web.connections == 1


def test_each_kind_of_body_has_its_limit_and_the_platform_is_not_bothered(
    classic: httpx2.Client, web: Upstream
) -> None:
    body = b"x" * (2 * MEBIBYTE + 1)
    refused = classic.post("/api/sessions", content=body)
    assert is_problem(refused, 413, "payload_too_large")
    assert str(2 * MEBIBYTE) in refused.json()["detail"]
    assert web.requests == []
    assert classic.post("/api/sessions", content=body[1:]).status_code == 200
    assert classic.post("/api/webhooks/vapi", content=body).status_code == 200


def test_a_delivery_reaches_the_platform_only_as_a_whole(bundle: Bundle, web: Upstream) -> None:
    """A sender that stops in the middle costs no instance anything."""
    port = int(bundle.url.rsplit(":", 1)[1])
    head = b"POST /api/webhooks/vapi HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(head + b"x" * 999)
        assert raw(bundle, b"GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert web.paths("POST") == []
        connection.sendall(b"x")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert web.paths("POST") == ["/api/webhooks/vapi"]


def test_headers_as_long_as_tokens_of_outside_logins_pass(
    client: httpx2.Client, classic: httpx2.Client, web: Upstream
) -> None:
    token = "t" * 7_500
    client.get("/api/x", headers={"Authorization": token}).raise_for_status()
    assert web.requests[0][2]["authorization"] == token
    too_long = classic.get("/api/x", headers={"Authorization": "t" * 40_000})
    assert is_problem(too_long, 400, "bad_request")


def test_nobody_is_told_what_runs_here(client: httpx2.Client, web: Upstream) -> None:
    for path in ("/", "/api/x", "/api/refuse", "/nothing.js"):
        headers = client.get(path).headers
        assert headers.get_list("server") == ["nginx"]
        assert "x-powered-by" not in headers


def test_the_policy_of_the_frontend_can_be_chosen_and_is_not_put_on_the_platforms_pages(
    client: httpx2.Client, web: Upstream
) -> None:
    assert client.get("/").headers["content-security-policy"] == "default-src 'self'"
    assert client.get("/api/page").headers["content-type"] == "text/html; charset=utf-8"
    assert "content-security-policy" not in client.get("/api/page").headers
