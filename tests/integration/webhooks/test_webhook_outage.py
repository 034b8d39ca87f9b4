"""Without PostgreSQL the sender is told to come back, never that the message is safe. Redis is not
needed for that: it only carries.
"""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx2
import pytest
from inbox_probe import PATH, Inbox
from tests.support.practice import Practice
from tests.support.processes import PlatformProcess, await_http, free_port
from tests.support.vapi import TALK, Call, encoded, metadata_of

SECRET = "the-secret-of-this-test-1234567890"
PROOF = {"X-Vapi-Secret": SECRET}


@contextmanager
def nobody(listens: bool) -> Iterator[str]:
    """An address that refuses connections, or one that takes them and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen(64)
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def addresses(environment: dict[str, str], tmp_path_factory) -> Iterator[dict[str, str]]:
    """Web processes that each miss something, started side by side."""
    logs = tmp_path_factory.mktemp("outage")
    with ExitStack() as stack:
        refusing = stack.enter_context(nobody(listens=False))
        silent = stack.enter_context(nobody(listens=True))
        missing = {
            "no postgres": {"DATABASE_URL": f"postgresql://clozone_app@{refusing}/clozone"},
            "no redis": {
                "REDIS_URL": f"redis://{refusing}/0",
                "REDIS_CACHE_URL": f"redis://{refusing}/1",
            },
            "silent redis": {
                "REDIS_URL": f"redis://{silent}/0",
                "REDIS_CACHE_URL": f"redis://{silent}/1",
            },
        }
        found = {}
        for name, changes in missing.items():
            found[name] = f"http://127.0.0.1:{(port := free_port())}"
            changed = environment | {"VAPI_WEBHOOK_SECRET": SECRET} | changes
            arguments = ["web", "--bind", f"127.0.0.1:{port}"]
            stack.enter_context(PlatformProcess(arguments, changed, logs / f"{name}.log"))
        for address in found.values():
            await_http(f"{address}/api/health/live", 60)
        yield found


def test_without_postgres_the_sender_is_asked_to_come_again(addresses: dict[str, str]):
    with httpx2.Client(base_url=addresses["no postgres"], timeout=5, trust_env=False) as client:
        for _ in range(20):
            answer = client.post(PATH, content=encoded(Call().status("in-progress")), headers=PROOF)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "headers", "status"), [(b"{}", PROOF, 422), (b"{", PROOF, 400), (b"", {}, 401)]
)
def test_what_would_be_refused_anyway_is_refused(
    addresses: dict[str, str], body: bytes, headers: dict[str, str], status: int
):
    address = addresses["no postgres"]
    answer = httpx2.post(f"{address}{PATH}", content=body, headers=headers, timeout=5)
    assert answer.status_code == status


@pytest.mark.parametrize("missing", ["no redis", "silent redis"])
def test_without_redis_a_message_is_as_safe_as_ever(
    addresses: dict[str, str], inbox: Inbox, practice: Practice, missing: str
):
    body = encoded(Call(metadata_of(practice, practice.session())).report(*TALK))
    answer = httpx2.post(f"{addresses[missing]}{PATH}", content=body, headers=PROOF, timeout=15)
    assert answer.status_code == 200
    event = inbox.event(answer.json()["id"])
    (job,) = inbox.jobs_of(event.id)
    assert (event.state, job.state) == ("received", "queued")
    assert inbox.process(event.id).state == "processed"


def test_a_silent_redis_holds_up_no_message(addresses: dict[str, str], practice: Practice):
    calls = [Call(metadata_of(practice, practice.session())) for _ in range(24)]

    def post(call: Call) -> int:
        with httpx2.Client(base_url=addresses["silent redis"], timeout=30) as client:
            return client.post(PATH, content=encoded(call.report(*TALK)), headers=PROOF).status_code

    with ThreadPoolExecutor(len(calls)) as threads:
        assert list(threads.map(post, calls)) == [200] * len(calls)
