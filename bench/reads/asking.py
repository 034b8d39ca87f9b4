"""Single requests, of which the answer matters and not the time."""

import http.client
import json
from typing import Any

TIMEOUT_SECONDS = 120


def ask(port: int, path: str, token: str | None = None) -> Any:
    """The JSON of an answer of 200. Ends the bench with what came instead."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise SystemExit(f"GET {path} on port {port}: {response.status} {body[:500]!r}")
    return json.loads(body)


def answers(port: int, path: str) -> bool:
    """Whether a server is there and answers 200."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
