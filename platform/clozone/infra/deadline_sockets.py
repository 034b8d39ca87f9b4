"""An end to every exchange, whatever trickles in.

HTTP clients bound each wait for the next bytes. A server that sends a byte now and then would hold
the caller for ever; these sockets stop reading at a fixed moment.
"""

import socket
import ssl
import time
from typing import Any

from urllib3.util.ssl_ import create_urllib3_context

LONGEST_READ_SECONDS = 15.0


class Deadline:
    """A moment, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self, at_most: float = float("inf")) -> float:
        """Seconds until then, or `at_most` if that is less. Raises TimeoutError once it passed."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(left, at_most)


class _BoundedSocket(socket.socket):
    deadline: Deadline | None = None

    def recv_into(self, *args: Any, **options: Any) -> int:
        if self.deadline is not None:
            self.settimeout(self.deadline.left(LONGEST_READ_SECONDS))
        return super().recv_into(*args, **options)


class _BoundedTlsSocket(ssl.SSLSocket):
    deadline: Deadline | None = None

    def recv_into(self, *args: Any, **options: Any) -> int:
        if self.deadline is not None:
            self.settimeout(self.deadline.left(LONGEST_READ_SECONDS))
        return super().recv_into(*args, **options)


def connect(address: str, port: int, seconds: float, deadline: Deadline) -> socket.socket:
    """A connection to a numeric address, made in `seconds` at most. Raises OSError."""
    plain = socket.create_connection((address, port), deadline.left(seconds))
    bounded = _BoundedSocket(plain.family, plain.type, plain.proto, plain.detach())
    bounded.deadline = deadline
    # For the TLS handshake and for sending; reading sets its own.
    bounded.settimeout(deadline.left(seconds))
    return bounded


def bound(tls: Any, deadline: Deadline) -> None:
    """Let a connection that `tls_context` made stop reading at the deadline."""
    tls.deadline = deadline


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Checks certificates and host names, by the system's authorities or those of `ca_file`."""
    context = create_urllib3_context()
    context.sslsocket_class = _BoundedTlsSocket
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context
