"""An HTTP server that tells what nginx sent to it, and misbehaves when asked to."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Upstream:
    """What arrived, as (method, path, headers), over how many connections; `finish` lets held
    streams go on.
    """

    port: int
    connections: int = 0
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    finish: threading.Event = field(default_factory=threading.Event)

    def paths(self, method: str) -> list[str]:
        """The paths asked for with `method`."""
        return [path for each, path, _ in self.requests if each == method]


@contextmanager
def upstream(port: int) -> Iterator[Upstream]:
    """Listen on `port` of the loopback.

    Paths that end in `/break` are hung up on, `/stream` sends one event and waits for `finish`,
    `/refuse` answers 404 as the platform does, `/page` is HTML, everything else 200 with JSON.
    """
    facts = Upstream(port)
    connections: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(self.request)
            facts.connections += 1
            super().setup()

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            facts.requests.append((self.command, self.path, headers))
            path = self.path.partition("?")[0]
            if path.endswith("/break"):
                self.connection.shutdown(socket.SHUT_RDWR)
            elif path.endswith(("/stream", "/events")):
                self._stream()
            elif path.endswith("/refuse"):
                self._answer(404, {"code": "not_found"}, "application/problem+json")
            elif path.endswith("/page"):
                self._answer(200, "<p>of the platform</p>", "text/html")
            else:
                self._answer(200, {"headers": headers, "pad": "x" * 2000}, "application/json")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

        def _answer(self, status: int, body: object, content_type: str) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Request-ID", self.headers.get("X-Request-ID", ""))
            self.send_header("X-Clozone-Instance", f"at-{port}")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Powered-By", "the standard library")
            self.end_headers()
            self.wfile.write(data)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.wfile.flush()
            facts.finish.wait(20)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield facts
    finally:
        facts.finish.set()
        server.shutdown()
        server.server_close()
        # Kept-alive ones would go on answering for a server that is gone.
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
