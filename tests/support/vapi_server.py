"""A server that behaves like Vapi's API and the storage behind it, on a real socket."""

import hashlib
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

Json = dict[str, Any]

API_KEY = "vapi-private-key"
_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass
class Recording:
    """A file in the storage. Only addresses with one of the `tokens` work."""

    content: bytes
    content_type: str = "audio/wav"
    tokens: set[str] = field(default_factory=set)
    with_etag: bool = True

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


@dataclass(frozen=True)
class Fault:
    """What is done instead of answering. `cut_after`: bytes of the body after which it breaks off."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut_after: int | None = None
    seconds: float = 0.0


class VapiServer:
    """Calls and recordings, as a test put them there. A context manager."""

    def __init__(self) -> None:
        self.calls: dict[str, Json] = {}
        self.recordings: dict[str, Recording] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.largest_page = 1_000
        self._faults: list[tuple[str, Fault]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "VapiServer":
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_call(self, call_id: str, created_at: str, **fields: Any) -> Json:
        """A call in the list; `created_at` in RFC 3339."""
        call = {"id": call_id, "type": "webCall", "createdAt": created_at, "updatedAt": created_at}
        self.calls[call_id] = {**call, **fields}
        return self.calls[call_id]

    def add_recording(self, call_id: str, content: bytes, **fields: Any) -> str:
        """A recording of a call; its presigned address."""
        self.recordings[call_id] = Recording(content, **fields)
        return self.sign(call_id)

    def sign(self, call_id: str) -> str:
        """One more address of a recording."""
        token = uuid4().hex
        self.recordings[call_id].tokens.add(token)
        return f"{self.url}/storage/{call_id}.wav?X-Amz-Signature={token}"

    def expire_addresses(self, call_id: str) -> None:
        """Let no address of the recording work any more."""
        self.recordings[call_id].tokens.clear()

    def fail(self, path: str, *faults: Fault) -> None:
        """Do this for the next requests whose path matches the pattern, one after the other."""
        self._faults += [(path, fault) for fault in faults]

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of the requests whose path matches the pattern."""
        return [headers for asked, headers in self.requests if re.search(path, asked)]

    def _fault(self, path: str) -> Fault | None:
        for number, (pattern, _) in enumerate(self._faults):
            if re.search(pattern, path):
                return self._faults.pop(number)[1]
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vapi = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                vapi.requests.append((self.path, headers))
                fault = vapi._fault(self.path)
                if fault is not None:
                    time.sleep(fault.seconds)
                    if fault.status is not None:
                        self.answer(fault.status, fault.body, *fault.headers)
                        return
                self.cut_after = fault.cut_after if fault else None
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.route(urlsplit(self.path).path, headers)

            def route(self, path: str, headers: dict[str, str]) -> None:
                if stored := re.fullmatch(r"/storage/(.+)\.wav", path):
                    self.storage(stored[1], headers)
                elif headers.get("authorization") != f"Bearer {API_KEY}":
                    self.json(401, {"message": "Invalid Key."})
                elif path == "/call":
                    self.json(200, vapi._page(parse_qs(urlsplit(self.path).query)))
                elif part := re.fullmatch(r"/call/([^/]+)/(mono|stereo)-recording", path):
                    if part[1] in vapi.recordings:
                        self.answer(302, b"", ("Location", vapi.sign(part[1])))
                    else:
                        self.json(404, {"message": "Recording not found."})
                elif (one := re.fullmatch(r"/call/([^/]+)", path)) and one[1] in vapi.calls:
                    self.json(200, vapi.calls[one[1]])
                else:
                    self.json(404, {"message": "Not Found"})

            def storage(self, call_id: str, headers: dict[str, str]) -> None:
                found = vapi.recordings.get(call_id)
                token = parse_qs(urlsplit(self.path).query).get("X-Amz-Signature", [""])[0]
                if found is None or token not in found.tokens:
                    self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                    return
                told = [("Content-Type", found.content_type), ("Accept-Ranges", "bytes")]
                if found.with_etag:
                    told.append(("ETag", found.etag))
                wanted = _RANGE.fullmatch(headers.get("range", ""))
                if wanted is None or headers.get("if-range", found.etag) != found.etag:
                    self.answer(200, found.content, *told)
                    return
                start, size = int(wanted[1]), len(found.content)
                if start >= size:
                    self.answer(416, b"", ("Content-Range", f"bytes */{size}"))
                    return
                told.append(("Content-Range", f"bytes {start}-{size - 1}/{size}"))
                self.answer(206, found.content[start:], *told)

            def json(self, status: int, body: Any) -> None:
                self.answer(status, json.dumps(body).encode(), ("Content-Type", "application/json"))

            def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                cut_after = getattr(self, "cut_after", None)
                self.wfile.write(body if cut_after is None else body[:cut_after])
                if cut_after is not None:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _page(self, query: dict[str, list[str]]) -> list[Json]:
        """Newest first by creation, as Vapi answers: an array, without a total or a cursor."""

        def bound(name: str, holds: Callable[[str, str], bool], of: str) -> Callable[[Json], bool]:
            value = query.get(name, [None])[0]
            return lambda call: value is None or holds(call[of], value)

        bounds = [
            bound("updatedAtGe", lambda have, want: have >= want, "updatedAt"),
            bound("createdAtGe", lambda have, want: have >= want, "createdAt"),
            bound("createdAtLe", lambda have, want: have <= want, "createdAt"),
            bound("createdAtLt", lambda have, want: have < want, "createdAt"),
        ]
        limit = min(int(query.get("limit", ["100"])[0]), self.largest_page)
        found = [call for call in self.calls.values() if all(holds(call) for holds in bounds)]
        return sorted(found, key=lambda call: call["createdAt"], reverse=True)[:limit]
