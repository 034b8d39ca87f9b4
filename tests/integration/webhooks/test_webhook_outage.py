"""Without PostgreSQL a message goes to the spool, and its sender is told that it is safe because it
is; when that fails too, to come again. Redis is not needed for either: it only carries.
"""

import resource
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from inbox_probe import PATH, Inbox
from tests.support.platform import eventually
from tests.support.practice import Practice
from tests.support.processes import PlatformProcess, await_http, free_port
from tests.support.vapi import TALK, Call, encoded, metadata_of

from clozone.infra.spool_file import decode

SECRET = "the-secret-of-this-test-1234567890"
PROOF = {"X-Vapi-Secret": SECRET}
# More than a small message and less than a large one, bytes.
ROOM = 64 * 1024


@contextmanager
def nobody(listens: bool) -> Iterator[str]:
    """An address that refuses connections, or one that takes them and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen(64)
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes log, and have their spools."""
    return tmp_path_factory.mktemp("outage")


@pytest.fixture(scope="module")
def addresses(environment: dict[str, str], logs: Path) -> Iterator[dict[str, str]]:
    """Web processes that each miss something, started side by side."""
    with ExitStack() as stack:
        refusing = stack.enter_context(nobody(listens=False))
        silent = stack.enter_context(nobody(listens=True))
        away = f"postgresql://clozone_app@{refusing}/clozone"
        taken = logs / "a file"
        taken.write_text("in the way")
        missing = {
            "no postgres": {"DATABASE_URL": away},
            "silent postgres": {
                "DATABASE_URL": f"postgresql://clozone_app@{silent}/clozone",
                "DATABASE_POOL_SIZE": "2",  # each thread takes seconds to give up, also at the end
            },
            "no room": {"DATABASE_URL": away, "SPOOL_MAX_BYTES": str(ROOM)},
            "no place": {"DATABASE_URL": away, "SPOOL_DIR": str(taken / "spool")},
            "size limit": {"DATABASE_URL": away},
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
            own = {"VAPI_WEBHOOK_SECRET": SECRET, "SPOOL_DIR": str(logs / name / "spool")}
            arguments = ["web", "--bind", f"127.0.0.1:{port}"]
            log = logs / f"{name}.log"
            web = PlatformProcess(arguments, environment | own | changes, log)
            stack.enter_context(web)
            if name == "size limit":  # files may grow to this and not further: as on a full disk
                assert web.process is not None
                resource.prlimit(web.process.pid, resource.RLIMIT_FSIZE, (ROOM, ROOM))
        for address in found.values():
            await_http(f"{address}/api/health/live", 60)
        yield found


def spooled(logs: Path, name: str) -> list[Path]:
    """Every file in the spool of a process, hidden ones too, but the lock."""
    return [
        path
        for path in (logs / name / "spool").rglob("*")
        if path.is_file() and path.name != ".lock"
    ]


@pytest.mark.parametrize("missing", ["no postgres", "silent postgres"])
def test_without_postgres_a_message_is_spooled(addresses: dict[str, str], logs: Path, missing: str):
    bodies = [encoded(Call().status("in-progress")) for _ in range(24)]

    def post(body: bytes) -> httpx2.Response:
        with httpx2.Client(base_url=addresses[missing], timeout=30, trust_env=False) as client:
            return client.post(PATH, content=body, headers=PROOF | {"X-Request-ID": "the-sender"})

    with ThreadPoolExecutor(len(bodies)) as threads:
        answers = list(threads.map(post, bodies))
    assert [answer.status_code for answer in answers] == [200] * len(bodies)
    folder = logs / missing / "spool"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for answer, body in zip(answers, bodies, strict=True):
        assert answer.json()["duplicate"] is False
        file = folder / f"{answer.json()['id']}.event"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kept = decode(file.read_bytes())
        assert (kept.body, kept.request_id) == (body, "the-sender")
        assert SECRET.encode() not in file.read_bytes()


def test_in_an_outage_no_message_waits_for_the_database(addresses: dict[str, str]):
    """Each attempt takes seconds here; all that follow the first do without."""
    with httpx2.Client(base_url=addresses["silent postgres"], timeout=30) as client:
        for _ in range(200):
            body = encoded(Call().status("in-progress"))
            assert client.post(PATH, content=body, headers=PROOF).status_code == 200


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("no room", "the spool is full"),
        ("no place", "the spool cannot be written: Not a directory"),
        ("size limit", "the spool cannot be written: File too large"),
    ],
)
def test_with_nothing_durable_left_the_sender_is_asked_to_come_again(
    addresses: dict[str, str], logs: Path, missing: str, says: str
):
    large = encoded(Call().report(*TALK, padding="x" * 2 * ROOM))
    with httpx2.Client(base_url=addresses[missing], timeout=10, trust_env=False) as client:
        for _ in range(5):
            answer = client.post(PATH, content=large, headers=PROOF)
            assert (answer.status_code, answer.json()["code"]) == (503, "not_stored")
            assert says in answer.json()["detail"]
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0
        assert spooled(logs, missing) == []
        state = client.get("/api/health").json()["components"]["spool"]
        assert state["status"] == ("degraded" if missing == "no place" else "up")


def test_a_full_spool_keeps_what_it_has(addresses: dict[str, str], logs: Path):
    with httpx2.Client(base_url=addresses["no room"], timeout=10, trust_env=False) as client:
        answers = [
            client.post(PATH, content=encoded(Call().status("queued")), headers=PROOF)
            for _ in range(ROOM // 200)
        ]
        codes = [answer.status_code for answer in answers]
        assert codes == sorted(codes)
        assert set(codes) == {200, 503}
        # Health is a moment old.
        state = eventually(lambda: nearly_full(client))
    files = spooled(logs, "no room")
    assert len(files) == codes.count(200)
    assert sum(file.stat().st_size for file in files) <= ROOM
    assert state["status"] == "degraded"


def nearly_full(client: httpx2.Client) -> dict[str, str] | None:
    state = client.get("/api/health").json()["components"]["spool"]
    return state if "nearly full" in state["detail"] else None


@pytest.mark.parametrize(
    ("body", "headers", "status"), [(b"{}", PROOF, 422), (b"{", PROOF, 400), (b"", {}, 401)]
)
def test_what_would_be_refused_anyway_is_refused(
    addresses: dict[str, str], logs: Path, body: bytes, headers: dict[str, str], status: int
):
    before = spooled(logs, "no postgres")
    address = addresses["no postgres"]
    answer = httpx2.post(f"{address}{PATH}", content=body, headers=headers, timeout=5)
    assert answer.status_code == status
    assert spooled(logs, "no postgres") == before


@pytest.mark.parametrize("missing", ["no redis", "silent redis"])
def test_without_redis_a_message_is_as_safe_as_ever(
    addresses: dict[str, str], logs: Path, inbox: Inbox, practice: Practice, missing: str
):
    body = encoded(Call(metadata_of(practice, practice.session())).report(*TALK))
    answer = httpx2.post(f"{addresses[missing]}{PATH}", content=body, headers=PROOF, timeout=15)
    assert answer.status_code == 200
    event = inbox.event(answer.json()["id"])
    (job,) = inbox.jobs_of(event.id)
    assert (event.state, job.state) == ("received", "queued")
    assert spooled(logs, missing) == []
    assert inbox.process(event.id).state == "processed"


def test_a_silent_redis_holds_up_no_message(addresses: dict[str, str], practice: Practice):
    calls = [Call(metadata_of(practice, practice.session())) for _ in range(24)]

    def post(call: Call) -> int:
        with httpx2.Client(base_url=addresses["silent redis"], timeout=30) as client:
            return client.post(PATH, content=encoded(call.report(*TALK)), headers=PROOF).status_code

    with ThreadPoolExecutor(len(calls)) as threads:
        assert list(threads.map(post, calls)) == [200] * len(calls)
