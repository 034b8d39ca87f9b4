"""HTTP to addresses that others gave us: recordings, organisations' notification endpoints.

Such an address could name a server of our own network (server-side request forgery). So the name
is resolved here, every address it has must be public, and the connection goes to the very address
that was checked: a second look-up could answer otherwise (DNS rebinding). Redirects are followed
only on request, each checked anew. No proxy of the environment, no cookies, no decompression.

Errors:
- `OutboundRefused`: the address or the answer is not acceptable; the same request will not be.
- `OutboundFailed`: the other side is away, too slow or broke off; later it may work.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse

from clozone.infra.deadline_sockets import Deadline
from clozone.infra.outbound_body import CHUNK_BYTES, beginning, whole
from clozone.infra.outbound_errors import OutboundFailed, OutboundRefused, explained
from clozone.infra.outbound_route import Allowed, Resolve, Router

USER_AGENT = "clozone"
STREAM_SECONDS = 600.0

_REDIRECTS = (301, 302, 303, 307, 308)
# Given to one server, not to where it sends us.
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case; `ms` is how long it took, milliseconds.

    `truncated` says that the body went on, or broke off: only its first bytes are here.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    ms: float
    truncated: bool = False


class Stream(NamedTuple):
    """An answer whose body is still to be read, from `chunks`. Header names are in lower case.

    `url` is the address that answered, after redirects.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Outbound:
    """A client for foreign addresses. Thread-safe; keeps no connections.

    `resolve` and `ca_file` (certificates to trust instead of the system's) are for tests.
    """

    def __init__(
        self, allowed: Allowed, *, resolve: Resolve | None = None, ca_file: str | None = None
    ) -> None:
        self._router = Router(allowed, resolve=resolve, ca_file=ca_file)

    def check(self, url: str, *, timeout: float = 5.0) -> None:
        """Return if `url` may be asked as things are now. Resolves its name, sends nothing."""
        self._router.route(url, Deadline(timeout))

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 10.0,
        max_bytes: int = CHUNK_BYTES,
    ) -> Answer:
        """Ask once and read the answer, within `timeout` seconds in all; no redirects.

        The status is what counts. Of the body at most `max_bytes` are read: a longer one is cut,
        as is one that breaks off or is too slow, and the answer says so.
        """
        began = time.monotonic()
        with self._open(
            method, url, Deadline(timeout), headers=headers or {}, body=body
        ) as response:
            content, truncated = beginning(url, response, max_bytes)
            return Answer(
                status=response.status,
                headers=_plain(response),
                body=content,
                ms=(time.monotonic() - began) * 1000,
                truncated=truncated,
            )

    @contextmanager
    def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        offset: int = 0,
        max_bytes: int,
        max_redirects: int = 0,
        hosts: Callable[[str], bool] | None = None,
        timeout: float = STREAM_SECONDS,
    ) -> Iterator[Stream]:
        """GET a body that may be large, piece by piece, within `timeout` seconds in all.

        With an `offset` the rest from there is asked for; a 206 says that the server agreed. More
        than `max_bytes` of body, announced or not, and an encoded body of a 200 or 206 are refused.
        `hosts` says of a host, also of one redirected to, whether it may be asked.
        """
        deadline = Deadline(timeout)
        asked = dict(headers or {})
        if offset:
            asked["Range"] = f"bytes={offset}-"
        for hop in range(max_redirects + 1):
            with self._open("GET", url, deadline, headers=asked, hosts=hosts) as response:
                target = response.headers.get("location")
                if response.status not in _REDIRECTS or target is None or hop == max_redirects:
                    chunks = whole(url, response, max_bytes)
                    yield Stream(url, response.status, _plain(response), chunks)
                    return
            onward = _joined(url, target)
            if self._router.origin(onward) != self._router.origin(url):
                asked = {
                    name: v for name, v in asked.items() if name.lower() not in _SECRET_HEADERS
                }
            url = onward

    @contextmanager
    def _open(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        hosts: Callable[[str], bool] | None = None,
    ) -> Iterator[BaseHTTPResponse]:
        route = self._router.route(url, deadline, hosts)
        with route.pool() as pool:
            with explained(url):
                response = pool.urlopen(
                    method,
                    route.target,
                    body=body,
                    headers={"User-Agent": USER_AGENT, **headers, "Accept-Encoding": "identity"},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                )
            try:
                yield response
            finally:
                response.close()


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise OutboundRefused("url", "the address of the redirect cannot be read") from error


def _plain(response: BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


__all__ = [
    "Allowed",
    "Answer",
    "Outbound",
    "OutboundFailed",
    "OutboundRefused",
    "Stream",
]
