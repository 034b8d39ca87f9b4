"""Who is believed, end to end, in each way of proving it; and that proofs are not kept."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from inbox_probe import PATH, Inbox
from tests.support.processes import PlatformProcess, await_http, free_port
from tests.support.vapi import Call, encoded, signature

from clozone.settings import Settings

SECRET, FORMER = "the-secret-of-this-test-1234567890", "the-former-secret-0987654321"
WAYS = {
    "bearer": {"VAPI_WEBHOOK_AUTH": "bearer"},
    "hmac": {"VAPI_WEBHOOK_AUTH": "hmac", "VAPI_WEBHOOK_HEADER": "X-Call-Id"},
    "body": {
        "VAPI_WEBHOOK_AUTH": "hmac",
        "VAPI_WEBHOOK_HEADER": "X-Vapi-Signature",
        "VAPI_WEBHOOK_HMAC_PAYLOAD": "{body}",
    },
    "odd": {"VAPI_WEBHOOK_AUTH": "secret", "VAPI_WEBHOOK_HEADER": "User-Agent"},
    "closed": {"VAPI_WEBHOOK_SECRET": ""},
}

Post = Callable[..., httpx2.Response]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes log."""
    return tmp_path_factory.mktemp("proof")


@pytest.fixture(scope="module")
def addresses(environment: dict[str, str], logs: Path) -> Iterator[dict[str, str]]:
    """Web processes that expect proof in different ways, started side by side."""
    common = {"VAPI_WEBHOOK_SECRET": SECRET, "VAPI_WEBHOOK_SECRET_PREVIOUS": FORMER}
    with ExitStack() as processes:
        found = {}
        for name, way in WAYS.items():
            found[name] = f"http://127.0.0.1:{(port := free_port())}"
            processes.enter_context(
                PlatformProcess(
                    ["web", "--bind", f"127.0.0.1:{port}"],
                    environment | common | way,
                    logs / f"{name}.log",
                )
            )
        for address in found.values():
            await_http(f"{address}/api/health/live", 60)
        yield found


@pytest.fixture
def post(addresses: dict[str, str]) -> Iterator[Post]:
    """Posts a body to the process of a way, with these headers and no others."""
    with httpx2.Client(timeout=30, trust_env=False) as client:

        def post(way: str, body: bytes, headers: dict[str, str]) -> httpx2.Response:
            return client.post(f"{addresses[way]}{PATH}", content=body, headers=headers)

        yield post


def message() -> bytes:
    return encoded(Call().status("in-progress"))


def timed(secret: str, body: bytes, timestamp: str | None = None) -> dict[str, str]:
    timestamp = timestamp or str(int(time.time()))
    return {"X-Call-Id": signature(secret, body, timestamp), "x-timestamp": timestamp}


@pytest.mark.parametrize("secret", [SECRET, FORMER])
@pytest.mark.parametrize(
    ("way", "proof"),
    [
        ("bearer", lambda s, _: {"Authorization": f"Bearer {s}"}),
        ("odd", lambda s, _: {"User-Agent": s}),
        ("body", lambda s, body: {"X-Vapi-Signature": f"sha256={signature(s, body)}"}),
        ("hmac", timed),
    ],
)
def test_the_right_proof_is_believed_and_not_kept(
    inbox: Inbox, post: Post, way: str, secret: str, proof
):
    body = message()
    headers = proof(secret, body)
    answer = post(way, body, {**headers, "X-Request-ID": "request-of-vapi", "Cookie": SECRET})
    assert answer.status_code == 200, answer.text
    event = inbox.event(answer.json()["id"])
    assert (event.state, bytes(event.body)) == ("received", body)
    assert event.headers["x-request-id"] == "request-of-vapi"
    kept = str(event.headers)
    assert secret not in kept
    assert all(headers[name] not in kept for name in headers if name != "x-timestamp")


@pytest.mark.parametrize(
    ("way", "proof", "code"),
    [
        ("bearer", lambda body: {}, "missing_credential"),
        ("bearer", lambda body: {"X-Vapi-Secret": SECRET}, "missing_credential"),
        ("bearer", lambda body: {"Authorization": f"Bearer {SECRET}x"}, "wrong_credential"),
        ("body", lambda body: {}, "missing_credential"),
        ("body", lambda body: {"X-Vapi-Signature": "sha256=x"}, "malformed_signature"),
        ("body", lambda body: {"X-Vapi-Signature": signature("x", body)}, "wrong_credential"),
        (
            "body",
            lambda body: {"X-Vapi-Signature": signature(SECRET, body + b" ")},
            "wrong_credential",
        ),
        ("hmac", lambda body: {"X-Call-Id": signature(SECRET, body)}, "missing_credential"),
        ("hmac", lambda body: timed("x", body), "wrong_credential"),
        ("hmac", lambda body: timed(SECRET, body, "1795000000"), "stale_timestamp"),
        ("closed", lambda body: {"X-Vapi-Secret": ""}, "webhook_not_configured"),
        ("closed", lambda body: {"X-Vapi-Secret": SECRET}, "webhook_not_configured"),
    ],
)
def test_without_the_right_proof_nothing_is_stored(
    inbox: Inbox, post: Post, way: str, proof, code: str
):
    body = message()
    before = inbox.count()
    answer = post(way, body, proof(body))
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert SECRET not in answer.text
    assert inbox.count() == before


def test_the_default_way(inbox: Inbox, api: httpx2.Client, settings: Settings):
    before = inbox.count()
    for headers, code in (
        ({}, "missing_credential"),
        ({"X-Vapi-Secret": "wrong"}, "wrong_credential"),
        ({"Authorization": "Bearer x"}, "missing_credential"),
    ):
        answer = api.post(PATH, content=message(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert inbox.count() == before
    secret = settings.vapi_webhook_secret.get_secret_value()
    answer = api.post(PATH, content=message(), headers={"X-Vapi-Secret": secret})
    assert answer.status_code == 200
    assert inbox.count() == before + 1


@pytest.mark.parametrize(
    ("way", "headers", "code"),
    [
        ("bearer", "", "missing_credential"),
        ("bearer", "Authorization: Bearer nonsense\r\n", "wrong_credential"),
        ("odd", "User-Agent: nonsense\r\n", "wrong_credential"),
        ("body", "X-Vapi-Signature: nonsense\r\n", "malformed_signature"),
        ("hmac", "", "missing_credential"),
        ("closed", f"X-Vapi-Secret: {SECRET}\r\n", "webhook_not_configured"),
    ],
)
def test_a_stranger_is_refused_before_the_body_comes(
    addresses: dict[str, str], way: str, headers: str, code: str
):
    """The body is announced and never sent: whoever waits for it, waits here for ever."""
    address = urlsplit(addresses[way])
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n{headers}\r\n"
        connection.sendall(head.encode())
        answer = b""
        while b"request_id" not in answer:
            received = connection.recv(65_536)
            assert received, answer
            answer += received
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert f'"code":"{code}"'.encode() in answer


@pytest.mark.parametrize("megabytes", [1, 9])
def test_a_stranger_with_a_large_body_is_told_why(post: Post, megabytes: int):
    answer = post("bearer", b"x" * megabytes * 1_000_000, {"Authorization": "Bearer nonsense"})
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credential")


def test_the_operator_hears_of_the_previous_secret(post: Post, logs: Path):
    notice = "the previous webhook secret is still in use"
    assert post("bearer", message(), {"Authorization": f"Bearer {FORMER}"}).status_code == 200
    assert notice in (logs / "bearer.log").read_text()
    assert FORMER not in (logs / "bearer.log").read_text()
    assert post("closed", message(), {"X-Vapi-Secret": FORMER}).status_code == 401
    assert notice not in (logs / "closed.log").read_text()
