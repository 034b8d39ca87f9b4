"""A provider that misbehaves on the wire in ways that no real server can be told to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def chunk(content: str | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One piece of a streamed answer."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "its-own-name",
        "choices": [choice],
        **fields,
    }


def _encoded(event: Any, *, streamed: bool) -> bytes:
    if isinstance(event, str):
        return event.encode()
    body = json.dumps(event)
    return (f"data: {body}\n\n" if streamed else body).encode()


@contextmanager
def provider(
    *events: Any, status: int = 200, headers: dict[str, str] | None = None, pause: float = 0.0
) -> Iterator[str]:
    """The base URL of a server that answers every question with these events, and hangs up.

    An event that is a text goes out as it is. `pause`: seconds before each.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            kind = "text/event-stream" if status == 200 else "application/json"
            for name, value in ({"content-type": kind} | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):
                for event in events:
                    time.sleep(pause)
                    self.wfile.write(_encoded(event, streamed=status == 200))

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
