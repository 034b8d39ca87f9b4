"""While PostgreSQL is away the sender is told to come back, never that the message is safe."""

import socket
from collections.abc import Iterator

import httpx2
import pytest
from inbox_probe import PATH
from tests.support.processes import PlatformProcess, await_http, free_port
from tests.support.vapi import Call, encoded

SECRET = "the-secret-of-this-test-1234567890"


@pytest.fixture(scope="module")
def orphan(environment: dict[str, str], tmp_path_factory) -> Iterator[str]:
    """The address of a web process whose PostgreSQL refuses connections."""
    log = tmp_path_factory.mktemp("outage") / "web.log"
    with socket.socket() as nobody:
        # Bound and not listening: nobody else can take the port, and every connection is refused.
        nobody.bind(("127.0.0.1", 0))
        away = f"postgresql://clozone_app@127.0.0.1:{nobody.getsockname()[1]}/clozone"
        port = free_port()
        changed = environment | {"DATABASE_URL": away, "VAPI_WEBHOOK_SECRET": SECRET}
        with PlatformProcess(["web", "--bind", f"127.0.0.1:{port}"], changed, log):
            await_http(f"http://127.0.0.1:{port}/api/health/live")
            yield f"http://127.0.0.1:{port}"


def test_a_webhook_is_asked_to_come_again(orphan: str):
    with httpx2.Client(base_url=orphan, timeout=5, trust_env=False) as client:
        for _ in range(20):
            answer = client.post(
                PATH,
                content=encoded(Call().status("in-progress")),
                headers={"X-Vapi-Secret": SECRET},
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"X-Vapi-Secret": SECRET}, 422),
        (b"{", {"X-Vapi-Secret": SECRET}, 400),
        (b"", {}, 401),
    ],
)
def test_what_would_be_refused_anyway_is_refused(
    orphan: str, body: bytes, headers: dict[str, str], status: int
):
    answer = httpx2.post(f"{orphan}{PATH}", content=body, headers=headers, timeout=5)
    assert answer.status_code == status
