"""An organisation's HTTP server that receives notifications, and answers as a test tells it to."""

import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer. `hold`: it is given only once this event is set."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thank you"
    hold: threading.Event | None = None


@dataclass(frozen=True)
class Received:
    """One request as it arrived. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def is_signed_with(self, secret: str) -> bool:
        """Whether one of the signatures is this secret's, computed as the specification says."""
        key = base64.b64decode(secret.split("_", 1)[1])
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{expected}" in self.headers["webhook-signature"].split(" ")


class Receiver:
    """A running server. Without a script it takes everything."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[Received] = []
        self._script: deque[Reply] = deque()
        self._always = Reply()
        self._lock = threading.Lock()

    def then(self, *replies: Reply) -> None:
        """The answers to the next requests, in this order."""
        self._script.extend(replies)

    def always(self, reply: Reply) -> None:
        """The answer to all others."""
        self._always = reply

    def take(self, request: Received) -> Reply:
        """Note a request; what to answer."""
        with self._lock:
            self.received.append(request)
            return self._script.popleft() if self._script else self._always


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on the loopback, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers: dict[str, str] = {}
            for name, value in self.headers.items():  # one sent twice shows as such
                headers[name.lower()] = ", ".join(filter(None, [headers.get(name.lower()), value]))
            reply = running.take(Received(self.path, headers, body))
            if reply.hold is not None:
                reply.hold.wait(60)
            with suppress(ConnectionError):
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
