"""What the tests of nginx ask a running one, and how."""

import json
import socket

import httpx2

from clozone.local.bundle import Bundle


def ports(bundle: Bundle) -> dict[str, int]:
    """The ports of the processes in front of which `bundle` has its nginx."""
    return dict(json.loads(bundle.home.ports.read_text()))


def raw(bundle: Bundle, request: bytes) -> bytes:
    """All that comes back for these bytes."""
    port = int(bundle.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def client_from(bundle: Bundle, address: str) -> httpx2.Client:
    """A client whose connections come from `address` of the loopback."""
    return httpx2.Client(
        base_url=bundle.url.replace("localhost", "127.0.0.1"),
        transport=httpx2.HTTPTransport(local_address=address),
    )


def is_problem(response: httpx2.Response, status: int, code: str) -> bool:
    """Whether this is the problem document `code` with this status."""
    body = response.json()
    return (
        response.status_code == status == body["status"]
        and response.headers["content-type"].startswith("application/problem+json")
        and body["code"] == code
        and body["request_id"] == response.headers["x-request-id"]
    )
