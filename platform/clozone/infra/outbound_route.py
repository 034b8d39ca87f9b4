"""The way to a foreign address: what its URL may be, where it leads, and a connection to there."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError
from urllib3.util import Timeout, Url, parse_url

from clozone.infra.addresses import Network, is_outside, parse_address, within
from clozone.infra.deadline_sockets import (
    LONGEST_READ_SECONDS,
    Deadline,
    bound,
    connect,
    tls_context,
)
from clozone.infra.outbound_body import StrictResponse
from clozone.infra.outbound_errors import OutboundFailed, OutboundRefused

CONNECT_SECONDS = 5.0
LONGEST_URL = 4_096
# Other ports belong to other protocols, which a request must not be smuggled into.
PORTS = frozenset({80, 443, 8080, 8443})

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
# What resolvers take for a number (WHATWG: "ends in a number"), and four decimal parts, the only
# form that people take for one too.
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)\.?")
_DOTTED_QUAD = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}")

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator allows besides HTTPS to public addresses: private networks, plain HTTP.

    `setting` is the name of the setting that holds the networks.
    """

    setting: str
    networks: Sequence[Network] = ()
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A checked way to one URL: `addresses` are the ones to connect to, `target` what to ask for."""

    scheme: str
    host: str
    port: int
    target: str
    addresses: tuple[str, ...]
    deadline: Deadline
    tls: ssl.SSLContext

    def connect(self) -> socket.socket:
        """A connection to the first of the addresses that takes one. Raises OutboundFailed."""
        failure: OSError | None = None
        for address in self.addresses:
            try:
                return connect(address, self.port, CONNECT_SECONDS, self.deadline)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise OutboundFailed("timeout", f"{self.host} took no connection in time") from failure
        raise OutboundFailed("connection", f"{self.host} takes no connections") from failure

    def pool(self) -> HTTPConnectionPool:
        """A pool that makes connections to the checked addresses and to no others."""
        timeout = Timeout(connect=CONNECT_SECONDS, read=LONGEST_READ_SECONDS)
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.scheme == "http":
            return _Pool(host, self.port, timeout=timeout, route=self)
        return _TlsPool(host, self.port, timeout=timeout, route=self, ssl_context=self.tls)


class _Connection(HTTPConnection):
    response_class = StrictResponse

    def __init__(self, *args: Any, route: Route, **options: Any) -> None:
        super().__init__(*args, **options)
        self._route = route

    def _new_conn(self) -> socket.socket:
        return self._route.connect()


class _TlsConnection(HTTPSConnection):
    response_class = StrictResponse

    def __init__(self, *args: Any, route: Route, **options: Any) -> None:
        super().__init__(*args, **options)
        self._route = route

    def _new_conn(self) -> socket.socket:
        return self._route.connect()

    def connect(self) -> None:
        super().connect()
        bound(self.sock, self._route.deadline)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Router:
    """Finds the way to a URL, or says why there is none."""

    def __init__(
        self, allowed: Allowed, *, resolve: Resolve | None = None, ca_file: str | None = None
    ) -> None:
        self._allowed = allowed
        self._schemes = {"http", "https"} if allowed.plain_http else {"https"}
        self._resolve = resolve or _resolve
        self._tls = tls_context(ca_file)

    def route(
        self, url: str, deadline: Deadline, hosts: Callable[[str], bool] | None = None
    ) -> Route:
        """The way to `url`. Raises OutboundRefused, or OutboundFailed if its name is not found.

        `hosts`, if given, says of the host whether it may be asked at all.
        """
        parts = self._parsed(url)
        host, port = self._host(parts), _port(parts)
        if hosts is not None and not hosts(host):
            raise OutboundRefused("host", f"{host} is not among the allowed hosts")
        try:
            found = [parse_address(host)]
        except ValueError:
            found = [parse_address(one) for one in self._addresses(host, port, deadline)]
        # One address inside is enough to refuse: which of them is taken is the name's owner's choice.
        if not all(is_outside(address, self._allowed.networks) for address in found):
            raise OutboundRefused(
                "private_address",
                f"{host} is not a public address: use one that the internet reaches, or let the "
                f"operator add its network to {self._allowed.setting}",
            )
        if port not in PORTS and not all(within(one, self._allowed.networks) for one in found):
            raise OutboundRefused("port", f"port {port} is not allowed: use one of {sorted(PORTS)}")
        return Route(
            scheme=parts.scheme or "",
            host=host,
            port=port,
            target=parts.request_uri,
            addresses=tuple(dict.fromkeys(str(address) for address in found)),
            deadline=deadline,
            tls=self._tls,
        )

    def origin(self, url: str) -> tuple[str | None, str | None, int]:
        """Scheme, host and port of `url`. Raises OutboundRefused."""
        parts = self._parsed(url)
        return parts.scheme, parts.host, _port(parts)

    def _parsed(self, url: str) -> Url:
        if len(url) > LONGEST_URL:
            raise OutboundRefused("url", f"the URL is longer than {LONGEST_URL} characters")
        if _FORBIDDEN.search(url):
            raise OutboundRefused(
                "url", "the URL holds a space, a backslash or a control character"
            )
        try:
            parts = parse_url(url)
        except LocationParseError as error:
            raise OutboundRefused("url", "the URL cannot be read") from error
        if parts.scheme not in self._schemes:
            raise OutboundRefused(
                "scheme",
                f"the URL has to begin with {' or '.join(f'{s}://' for s in sorted(self._schemes))}",
            )
        if parts.auth is not None:
            raise OutboundRefused("credentials", "the URL must not hold a user name or a password")
        return parts

    @staticmethod
    def _host(parts: Url) -> str:
        host = (parts.host or "").strip("[]")
        if not host:
            raise OutboundRefused("url", "the URL names no host")
        if "%" in host:
            raise OutboundRefused("url", "the URL's host holds a %, which no public name does")
        if _NUMERIC.fullmatch(host) and ":" not in host and not _DOTTED_QUAD.fullmatch(host):
            raise OutboundRefused("url", "write a numeric address in four decimal parts")
        return host

    def _addresses(self, host: str, port: int, deadline: Deadline) -> list[str]:
        answer: list[list[str] | OSError | UnicodeError] = []

        def look_up() -> None:
            try:
                answer.append(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                answer.append(error)

        # The system's resolver takes no deadline; whoever runs the name's server sets its pace.
        thread = threading.Thread(target=look_up, name="resolver", daemon=True)
        thread.start()
        with suppress(TimeoutError):
            thread.join(deadline.left())
        if not answer:
            raise OutboundFailed("timeout", f"the name {host} was not resolved in time")
        if isinstance(answer[0], Exception) or not answer[0]:
            raise OutboundFailed("name", f"the name {host} could not be resolved")
        return answer[0]


def _port(parts: Url) -> int:
    return _DEFAULT_PORTS[parts.scheme or ""] if parts.port is None else parts.port


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]
