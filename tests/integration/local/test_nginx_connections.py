"""One address that holds as many connections as it gets leaves the others theirs."""

import resource
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.integration.local.conftest import PLAIN
from tests.integration.local.stand_in import upstream
from tests.support.nginx_site import client_from, ports

from clozone.local.bundle import Bundle

# What the template lets one address have in progress.
DOWNLOADS = 500
DELIVERIES = 1_000


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    folder = tmp_path_factory.mktemp("nginx")
    dist = folder / "dist"
    dist.mkdir()
    (dist / "index.html").write_text("<p>first</p>")
    # Sparse, and far more than the buffers of a connection take.
    with (dist / "film.mp4").open("wb") as film:
        film.truncate(64 * 1024 * 1024)
    bundle = Bundle(folder / "home", 0, PLAIN | {"CLOZONE_FRONTEND": str(dist)}, {"nginx"})
    bundle.start()
    with upstream(ports(bundle)["web-1"]), upstream(ports(bundle)["web-2"]):
        yield bundle
    bundle.destroy()


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many open files as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _slow(bundle: Bundle, stack: ExitStack, request: bytes) -> socket.socket:
    """A connection from an address of its own that asks, and takes next to nothing."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.bind(("127.0.0.21", 0))
    connection.settimeout(10)
    connection.connect(("127.0.0.1", int(bundle.url.rsplit(":", 1)[1])))
    connection.sendall(request)
    return connection


def _delivered(bundle: Bundle) -> int:
    with client_from(bundle, "127.0.0.22") as client:
        return client.post("/api/webhooks/vapi", json={}).status_code


@pytest.mark.usefixtures("many_files")
def test_slow_downloads_of_one_address_have_an_end(bundle: Bundle) -> None:
    request = b"GET /film.mp4 HTTP/1.1\r\nHost: a\r\n\r\n"
    with ExitStack() as stack:
        connections = [_slow(bundle, stack, request) for _ in range(DOWNLOADS + 50)]
        answers = Counter(each.recv(12, socket.MSG_WAITALL) for each in connections)
        assert answers == {b"HTTP/1.1 200": DOWNLOADS, b"HTTP/1.1 429": 50}
        assert _delivered(bundle) == 200
        with client_from(bundle, "127.0.0.22") as client:
            assert client.get("/").status_code == 200


@pytest.mark.usefixtures("many_files")
def test_deliveries_of_one_address_that_never_end_leave_those_of_others(bundle: Bundle) -> None:
    begun = b"POST /api/webhooks/vapi HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as stack:
        connections = [_slow(bundle, stack, begun) for _ in range(DELIVERIES)]
        assert _slow(bundle, stack, begun).recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 429"
        assert _delivered(bundle) == 200
        for connection in connections[:3]:
            connection.sendall(b"x" * 9)
            assert connection.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"


@pytest.mark.usefixtures("many_files")
def test_idle_connections_make_room(bundle: Bundle) -> None:
    """More than the worker once had (2048): nothing of it is in progress, so no wall sees it."""
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(2_100):
            connection = _slow(bundle, stack, request)
            assert connection.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
        assert _delivered(bundle) == 200
        lines = bundle.home.log("nginx").read_text().splitlines()
    told = [line for line in lines if "worker_connections" in line]
    assert told == []
