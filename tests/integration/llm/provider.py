"""A provider that misbehaves on the wire in ways that no real server can be told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def provider(
    *events: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Iterator[str]:
    """The base URL of a server that answers every question with these events, and hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            kind = "text/event-stream" if status == 200 else "application/json"
            for name, value in ({"content-type": kind} | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            for event in events:
                body = json.dumps(event)
                self.wfile.write((f"data: {body}\n\n" if status == 200 else body).encode())

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
