"""nginx with the real templates, in front of servers that tell what reached them."""

import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.local.conftest import PLAIN
from tests.integration.local.stand_in import Upstream, upstream
from tests.support.nginx_site import client_from, is_problem, ports, raw

from clozone.local.bundle import Bundle

ORIGIN = "https://app.example"
LONG_ORIGIN = f"https://{'a' * 63}.{'b' * 63}.{'c' * 63}.example"
LIMITS = {
    **{"NGINX_RATE_API": "1r/s", "NGINX_BURST_API": "30", "NGINX_RATE_WEBHOOKS": "1000r/s"},
    "CORS_ORIGINS": f"{ORIGIN}, http://localhost:5173, {LONG_ORIGIN}",
    # Only this one of the loopback's addresses is a proxy.
    "NGINX_REAL_IP_FROM": "127.0.0.9",
}
NGINX_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def generous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    limits = {"NGINX_RATE_API": "10000r/s", "NGINX_RATE_WEBHOOKS": "10000r/s"}
    bundle = Bundle(tmp_path_factory.mktemp("nginx") / "a home", 0, PLAIN | limits, {"nginx"})
    bundle.start()
    yield bundle
    bundle.destroy()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    bundle = Bundle(tmp_path_factory.mktemp("nginx") / "home", 0, PLAIN | LIMITS, {"nginx"})
    bundle.start()
    yield bundle
    bundle.destroy()


@pytest.fixture
def one(generous: Bundle) -> Iterator[Upstream]:
    with upstream(ports(generous)["web-1"]) as server:
        yield server


@pytest.fixture
def two(generous: Bundle) -> Iterator[Upstream]:
    with upstream(ports(generous)["web-2"]) as server:
        yield server


@pytest.fixture
def storage(generous: Bundle) -> Iterator[Upstream]:
    with upstream(ports(generous)["s3"]) as server:
        yield server


@pytest.fixture
def client(generous: Bundle) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=generous.url.replace("localhost", "127.0.0.1")) as client:
        yield client


def _access_line(bundle: Bundle, request_id: str) -> dict[str, object]:
    """The line of the access log, which nginx writes after the answer has left."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for line in (bundle.home.logs / "nginx.log").read_text().splitlines():
            if line.startswith("{") and request_id in line:
                return dict(json.loads(line))
        time.sleep(0.02)
    raise AssertionError(f"no line about {request_id}")


def test_both_instances_are_asked(client: httpx2.Client, one: Upstream, two: Upstream) -> None:
    answered = {client.get("/api/health").headers["x-clozone-instance"] for _ in range(8)}
    assert answered == {f"at-{one.port}", f"at-{two.port}"}


def test_what_a_client_claims_about_itself_is_overwritten(
    client: httpx2.Client, one: Upstream
) -> None:
    sent = client.get(
        "/api/x",
        headers={
            "X-Forwarded-For": "6.6.6.6",
            "X-Real-IP": "6.6.6.6",
            "Forwarded": "for=6.6.6.6",
            "X-Forwarded-Proto": "gopher",
        },
    ).json()["headers"]
    assert sent["x-forwarded-for"] == sent["x-real-ip"] == "127.0.0.1"
    assert sent["x-forwarded-proto"] == "http"
    assert "forwarded" not in sent


def test_the_request_id_goes_all_the_way(
    client: httpx2.Client, one: Upstream, generous: Bundle
) -> None:
    response = client.get("/api/x?token=secret", headers={"X-Request-ID": "req-12345678"})
    assert response.headers.get_list("x-request-id") == ["req-12345678"]
    assert response.json()["headers"]["x-request-id"] == "req-12345678"
    line = _access_line(generous, "req-12345678")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/x", 200)
    assert "secret" not in str(line)


@pytest.mark.parametrize("sent", [None, "short", "with blank 123", "x" * 129, 'quote"12345678'])
def test_an_id_that_is_missing_or_odd_is_replaced(
    client: httpx2.Client, one: Upstream, sent: str | None
) -> None:
    response = client.get("/api/x", headers={"X-Request-ID": sent} if sent else {})
    assert NGINX_ID.fullmatch(response.headers["x-request-id"])
    assert response.json()["headers"]["x-request-id"] == response.headers["x-request-id"]


def test_without_an_instance_the_answer_is_a_problem(client: httpx2.Client) -> None:
    response = client.get("/api/x")
    assert is_problem(response, 502, "bad_gateway")
    assert response.headers["retry-after"] == "2"


def test_one_instance_is_enough(client: httpx2.Client, two: Upstream) -> None:
    answers = [client.post("/api/x", json={}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len(two.paths("POST")) == 6


def test_a_post_that_arrived_is_not_sent_twice(
    client: httpx2.Client, one: Upstream, two: Upstream
) -> None:
    assert is_problem(client.post("/api/break", json={}), 502, "bad_gateway")
    assert len(one.paths("POST") + two.paths("POST")) == 1


def test_a_get_that_broke_off_is_tried_elsewhere(
    client: httpx2.Client, one: Upstream, two: Upstream
) -> None:
    client.get("/api/break")
    assert (len(one.paths("GET")), len(two.paths("GET"))) == (1, 1)


def test_a_body_over_the_limit_is_a_problem(client: httpx2.Client, one: Upstream) -> None:
    response = client.post("/api/webhooks/vapi", content=b"x" * (20 * 1024 * 1024))
    assert is_problem(response, 413, "payload_too_large")
    assert one.requests == []


def test_ten_megabytes_pass(client: httpx2.Client, one: Upstream) -> None:
    response = client.post("/api/webhooks/vapi", content=b"x" * (10 * 1024 * 1024))
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET /api/x HTTP/1.1\r\nno colon\r\n\r\n", 400, b"bad_request"),
        (b"GET /api/x HTTP/1.1\r\n\r\n", 400, b"bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 400, b"bad_request"),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, b"uri_too_long"),
        (
            b"POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            *(501, b"not_implemented"),
        ),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, b"http_version_not_supported"),
    ],
    ids=["broken header", "no host", "long header", "long address", "odd encoding", "odd version"],
)
def test_what_cannot_be_read_is_a_problem(
    generous: Bundle, request_bytes: bytes, status: int, code: bytes
) -> None:
    head, _, body = raw(generous, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert b"application/problem+json" in head
    assert json.loads(body)["code"].encode() == code


def test_the_oldest_http_reaches_the_platform_with_a_host(generous: Bundle, one: Upstream) -> None:
    answer = raw(generous, b"GET /api/x HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert one.requests[0][2]["host"] == "localhost"


@pytest.mark.parametrize("path", ["/clozone", "/api", "/api/webhooks"])
def test_nothing_is_redirected_to_a_slash(client: httpx2.Client, path: str) -> None:
    assert is_problem(client.get(path), 404, "not_found")


def test_the_error_log_does_not_quote_ordinary_requests(
    client: httpx2.Client, one: Upstream, generous: Bundle
) -> None:
    """A large body goes to a temporary file, of which nginx would warn with the whole address."""
    body = b"x" * (5 * 1024 * 1024)
    client.post(
        "/api/webhooks/vapi?sig=secret-1", content=body, headers={"X-Request-ID": "req-large-1"}
    )
    _access_line(generous, "req-large-1")
    assert "secret-1" not in (generous.home.logs / "nginx.log").read_text()


def test_the_platforms_own_errors_pass_untouched(client: httpx2.Client, one: Upstream) -> None:
    response = client.get("/api/refuse")
    assert (response.status_code, response.json()) == (404, {"code": "not_found"})


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/api/sessions/0190/events", "*/*"),
        ("/api/analytics/grade-transcript/stream", "text/event-stream"),
    ],
)
def test_a_stream_arrives_piece_by_piece(
    client: httpx2.Client, one: Upstream, path: str, accept: str
) -> None:
    """The rest comes only after the first piece was seen: with buffering this would time out."""
    with client.stream("GET", path, headers={"Accept": accept}, timeout=5) as response:
        assert next(response.iter_raw()) == b"data: first\n\n"
        one.finish.set()
        assert response.headers["x-content-type-options"] == "nosniff"


def test_a_streamed_post_keeps_its_method_and_body(client: httpx2.Client, one: Upstream) -> None:
    one.finish.set()
    client.post("/api/x/stream", json={"a": 1}, headers={"Accept": "text/event-stream"})
    method, path, headers = one.requests[0]
    assert (method, path, headers["content-length"]) == ("POST", "/api/x/stream", "7")


def test_presigned_links_reach_storage_as_they_were_signed(
    client: httpx2.Client, storage: Upstream, generous: Bundle
) -> None:
    target = "/clozone/a%20b/c%2Bd.pdf?X-Amz-Signature=s&response-content-type=a%2Fb"
    response = client.get(target, headers={"Authorization": "Bearer t", "Cookie": "c=1"})
    _, path, headers = storage.requests[0]
    assert path == target
    assert headers["host"] == f"127.0.0.1:{generous.url.rsplit(':', 1)[1]}"
    assert not {"authorization", "cookie"} & headers.keys()
    assert response.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/minio/../clozone/a.pdf", "/minio%2f..%2fclozone/a.pdf", "/x/%2e%2e/clozone/a.pdf"),
        *("/clozone/..%5c..%5cminio", "/clozone/a/%2E%2e/b.pdf", "/clozone/./a.pdf"),
        *("/clozone//a.pdf", "//clozone/a.pdf", "/%63lozone/a.pdf", "/clozone/", "/clozone/?list"),
    ],
)
def test_what_is_not_plainly_a_file_does_not_reach_storage(
    generous: Bundle, storage: Upstream, path: str
) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    head, _, body = raw(generous, request.encode()).partition(b"\r\n\r\n")
    assert storage.requests == []
    assert head.startswith(b"HTTP/1.1 404")
    assert json.loads(body)["code"] == "not_found"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_storage_is_read_only_from_outside(
    client: httpx2.Client, storage: Upstream, method: str
) -> None:
    response = client.request(method, "/clozone/a.pdf", content=b"x")
    assert is_problem(response, 405, "method_not_allowed")
    assert storage.requests == []


def test_reading_too_fast_never_starves_webhooks_or_health(strict: Bundle) -> None:
    with (
        upstream(ports(strict)["web-1"]),
        httpx2.Client(base_url=strict.url.replace("localhost", "127.0.0.1")) as client,
    ):
        reads = [client.get("/api/sessions") for _ in range(60)]
        limited = [read for read in reads if read.status_code == 429]
        assert len(limited) > 10
        assert is_problem(limited[0], 429, "rate_limited")
        assert limited[0].headers["retry-after"] == "1"
        for _ in range(40):
            assert client.post("/api/webhooks/vapi", json={}).status_code == 200
            assert client.get("/api/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/api/health/live", "/clozone/a.pdf"])
def test_health_and_files_have_a_wall_too(strict: Bundle, path: str) -> None:
    """Nobody listens behind, so what passes the wall is answered at once."""
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    last = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    answers = raw(strict, request * 900 + last)
    assert answers.count(b"HTTP/1.1 502") >= 200
    assert b"HTTP/1.1 429" in answers


def test_what_only_begins_like_health_is_not_health(strict: Bundle) -> None:
    """It is counted with the rest of the API."""
    address = "127.0.0.3"
    with upstream(ports(strict)["web-1"]), client_from(strict, address) as client:
        statuses = {client.get("/api/healthy").status_code for _ in range(60)}
    assert 429 in statuses


def test_behind_a_proxy_of_ours_each_client_has_its_own_bucket(strict: Bundle) -> None:
    with upstream(ports(strict)["web-1"]), client_from(strict, "127.0.0.9") as proxy:
        one, other = ({"X-Forwarded-For": f"6.6.6.6, 203.0.113.{n}"} for n in (1, 2))
        assert 429 in {proxy.get("/api/x", headers=one).status_code for _ in range(60)}
        answer = proxy.get("/api/x", headers=other)
    assert answer.status_code == 200
    assert answer.json()["headers"]["x-forwarded-for"] == "203.0.113.2"


def test_nobody_else_changes_bucket_by_a_header(strict: Bundle) -> None:
    with upstream(ports(strict)["web-1"]), client_from(strict, "127.0.0.4") as client:
        answers = [
            client.get("/api/x", headers={"X-Forwarded-For": f"203.0.113.{n}"})
            for n in range(10, 70)
        ]
    assert answers[0].json()["headers"]["x-forwarded-for"] == "127.0.0.4"
    assert 429 in {answer.status_code for answer in answers}


def test_a_browser_may_read_what_nginx_says_itself(strict: Bundle) -> None:
    with client_from(strict, "127.0.0.5") as client:
        allowed = client.get("/api/health", headers={"Origin": ORIGIN})
        long = client.get("/api/health", headers={"Origin": LONG_ORIGIN})
        foreign = client.get("/api/health", headers={"Origin": "https://evil.example"})
        with upstream(ports(strict)["web-1"]):
            platforms = client.get("/api/health", headers={"Origin": ORIGIN})
    assert is_problem(allowed, 502, "bad_gateway")
    assert allowed.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert "Retry-After" in allowed.headers["access-control-expose-headers"]
    assert long.headers.get_list("access-control-allow-origin") == [LONG_ORIGIN]
    assert "access-control-allow-origin" not in foreign.headers
    assert "Origin" in foreign.headers["vary"]
    assert platforms.status_code == 200
    assert "access-control-allow-origin" not in platforms.headers


def test_json_is_compressed(client: httpx2.Client, one: Upstream) -> None:
    with client.stream("GET", "/api/x", headers={"Accept-Encoding": "gzip"}) as response:
        body = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert "headers" in json.loads(gzip.decompress(body))


def test_every_answer_carries_the_security_headers(client: httpx2.Client, one: Upstream) -> None:
    for path in ("/", "/api/x", "/api/health", "/nothing.png", "/.env", "/clozone/x"):
        headers = client.get(path).headers
        assert headers.get_list("x-content-type-options") == ["nosniff"], path
        assert headers["x-frame-options"] == "SAMEORIGIN", path
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin", path
        assert headers["server"] == "nginx", path
        assert headers.get_list("x-request-id"), path


def test_the_first_page_links_to_the_platform(client: httpx2.Client) -> None:
    for path in ("/", "/dashboard", "/team/42"):
        response = client.get(path)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        for link in ("/api/docs", "/api/health"):
            assert f'href="{link}"' in response.text


@pytest.mark.parametrize("path", ["/missing.js", "/.git/config", "/.env"])
def test_what_is_not_there_is_a_problem(client: httpx2.Client, path: str) -> None:
    assert is_problem(client.get(path), 404, "not_found")


def test_a_frontend_of_ones_own_is_served(tmp_path: Path) -> None:
    dist = tmp_path / "my dist"
    dist.mkdir()
    (dist / "index.html").write_text("<p>mine</p>")
    (dist / "app.js").write_text("1")
    env = PLAIN | {"CLOZONE_FRONTEND": str(dist)}
    bundle = Bundle(tmp_path / "home", 0, env, {"nginx"})
    try:
        bundle.start()
        base = bundle.url.replace("localhost", "127.0.0.1")
        assert httpx2.get(f"{base}/any/where").text == "<p>mine</p>"
        script = httpx2.get(f"{base}/app.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    finally:
        bundle.destroy()
