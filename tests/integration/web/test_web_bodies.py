import socket

import pytest

REP = {"Authorization": "Bearer rep", "Content-Type": "application/json"}
LIMITS = {"max_body_bytes": 1_000, "max_webhook_bytes": 300_000}


def chunks(total: int, size: int = 10_000):
    for start in range(0, total, size):
        yield b"x" * min(size, total - start)


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/api/things", 1_001, 413),
        ("/api/things", 250_000, 413),
        ("/api/things/hook", 250_000, 200),
        ("/api/things/hook", 300_000, 200),
        ("/api/things/hook", 300_001, 413),
        ("/api/things/hook", 2_000_000, 413),
    ],
)
def test_each_route_has_its_limit(start, announced, path, size, status):
    site = start(**LIMITS)
    content = b"x" * size if announced else chunks(size)
    response = site.client.post(path, content=content, headers=REP)
    assert response.status_code == status
    if status == 413:
        assert response.json()["code"] == "payload_too_large"
    else:
        assert response.json() == [size]


def test_an_announced_excess_is_refused_before_it_is_sent(start):
    site = start(**LIMITS)
    with socket.create_connection(("127.0.0.1", site.port), timeout=5) as connection:
        connection.sendall(
            b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_an_unknown_address_takes_no_large_body_either(start):
    site = start(**LIMITS)
    response = site.client.post("/api/nothing", content=b"x" * 5_000)
    assert response.status_code == 413
