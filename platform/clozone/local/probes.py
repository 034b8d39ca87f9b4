"""Asking a server whether it is there."""

import http
import http.client
import json
import socket

from clozone.local.ports import LOOPBACK

_PATIENCE_SECONDS = 2.0


def answers_http(port: int, path: str, *, host: str = LOOPBACK, bearer: str | None = None) -> bool:
    """Whether GET `path` gives 200. Raises OSError or HTTPException when nobody answers.

    `host` may be the address a server listens on, `0.0.0.0` included.
    """
    return _get(port, path, host, bearer)[0] == http.HTTPStatus.OK


def components_not_up(port: int) -> list[str]:
    """The components that GET /api/health of the web instance on `port` does not call up.

    Raises OSError, HTTPException or ValueError when the platform gives no such answer.
    """
    components = json.loads(_get(port, "/api/health", LOOPBACK, None)[1])["components"]
    return [name for name, state in components.items() if state["status"] != "up"]


def _get(port: int, path: str, host: str, bearer: str | None) -> tuple[int, bytes]:
    reachable = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(reachable, port, timeout=_PATIENCE_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def answers_ping(port: int, password: str) -> bool:
    """Whether a Redis-protocol server takes the password and answers PING."""
    with socket.create_connection((LOOPBACK, port), _PATIENCE_SECONDS) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        # +OK and +PONG, or an error; while it loads its data it says -LOADING.
        while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
            answer += part
    return answer == b"+OK\r\n+PONG\r\n"
