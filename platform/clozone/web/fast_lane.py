"""A short way for reads whose answers mostly lie ready: past Hypercorn's and Quart's machinery.

Reading a request with h11, a task and a queue for it, Quart's dispatch and two writes cost ten times
what a cached answer itself does. A handler of the fast lane is given the bare head and gives the
bytes. It is never another way to do something: it calls what the route calls, and whatever is not
plain (no token, a refusal, a field it does not know) it declines, and the very same bytes go on to
Hypercorn and Quart as if nothing had been. What fails is answered with the problem document that
Quart would send.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from clozone.infra.pool_waits import RequestWait, request_wait
from clozone.kit import context
from clozone.kit.errors import DomainError, Overloaded
from clozone.web.access_line import log_request
from clozone.web.admission import Admission, Kind, kind_of, refusal
from clozone.web.draining import Draining
from clozone.web.edge import INSTANCE_HEADER
from clozone.web.explaining import explained, head_fields
from clozone.web.problem_document import MEDIA_TYPE, problem_document
from clozone.web.request_head import RequestHead
from clozone.web.request_id import HEADER as REQUEST_ID
from clozone.web.request_id import accept_request_id

# What makes a request more than a plain read by somebody signed in; Quart knows about all of it.
_DECLINED_FIELDS = frozenset({b"origin", b"x-api-key", b"range", b"access-control-request-method"})
_REQUEST_ID = REQUEST_ID.lower().encode()


@dataclass(slots=True)
class LaneAnswer:
    """What a handler answers, and whose it is. `fields` are those that not every answer has."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    org_id: str | None


LaneHandler = Callable[[RequestHead], Awaitable[LaneAnswer | None]]


@dataclass(slots=True)
class FastLane:
    """The handlers of one process, by path."""

    instance: str
    admission: Admission
    draining: Draining
    _handlers: dict[bytes, LaneHandler] = field(default_factory=dict)
    _signature: str = field(init=False)

    def __post_init__(self) -> None:
        instance = self.instance.encode("latin-1", "replace").decode("latin-1")
        self._signature = f"{INSTANCE_HEADER.lower()}: {instance}\r\n"

    def add(self, path: str, handler: LaneHandler) -> None:
        """Let `handler` answer GET requests for exactly this path, or decline with None."""
        self._handlers[path.encode()] = handler

    def respond(self, head: RequestHead) -> Coroutine[Any, Any, bytes | None] | bytes | None:
        """What comes of a request: a refusal, ready to be sent; or an answer, whose place is taken
        and which has to be awaited; or None when it is to go the usual way, as the awaited may be too.
        """
        if self.draining.leaving:
            return None
        kind = kind_of(_text(head.path), _text(head.headers.get(b"accept", b"")))
        if self.admission.is_full(kind):
            return self._refuse(head, kind)
        handler = self._handlers.get(head.path)
        if handler is None or not _DECLINED_FIELDS.isdisjoint(head.headers):
            return None
        self.admission.enter(kind)
        return self._answer(handler, head, kind)

    async def _answer(self, handler: LaneHandler, head: RequestHead, kind: Kind) -> bytes | None:
        started = time.perf_counter()
        request_id = _request_id(head)
        context.request_id.set(request_id)
        request_wait.set(RequestWait())
        code: str | None = None
        try:
            answer = await handler(head)
        except Exception as error:
            # It was counted, and perhaps tried for long: Quart must not do it all again.
            failure = explained(error)
            answer, code = _failed(failure, head, request_id), failure.code
        finally:
            self.admission.leave(kind)
        if answer is None:
            return None
        seconds = time.perf_counter() - started
        log_request(
            "GET",
            _text(head.path),
            answer.status,
            seconds,
            org_id=answer.org_id,
            code=code,
            request_id=request_id,
        )
        return self._response(answer.status, answer.fields, answer.body, request_id)

    def _refuse(self, head: RequestHead, kind: Kind) -> bytes:
        self.admission.refused[kind] += 1
        request_id = _request_id(head)
        fields, body = refusal(_text(head.path), request_id)
        log_request(
            "GET",
            None,
            Overloaded.status,
            0.0,
            org_id=None,
            code=Overloaded.code,
            request_id=request_id,
        )
        return self._response(Overloaded.status, fields, body, request_id)

    def _response(
        self, status: int, fields: Mapping[str, str], body: bytes, request_id: str
    ) -> bytes:
        lines = [
            _STATUS_LINES[status],
            *[f"{name}: {value}\r\n" for name, value in fields.items()],
            f"x-request-id: {request_id}\r\nx-content-type-options: nosniff\r\n",
            self._signature,
            _date_line(),
        ]
        if status != HTTPStatus.NOT_MODIFIED:
            lines.append(f"content-length: {len(body)}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1") + body


def _failed(error: DomainError, head: RequestHead, request_id: str) -> LaneAnswer:
    body = problem_document(
        error.status,
        error.code,
        error.title,
        error.detail,
        instance=_text(head.path),
        request_id=request_id,
        fields=error.fields,
    )
    fields = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"} | head_fields(error)
    return LaneAnswer(int(error.status), fields, body, None)


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _request_id(head: RequestHead) -> str:
    return accept_request_id(_text(head.headers.get(_REQUEST_ID, b"")))


_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
_date: tuple[int, str] = (0, "")


def _date_line() -> str:
    """The Date field, written anew once a second."""
    global _date  # noqa: PLW0603 - a clock face
    second = int(time.time())
    if _date[0] != second:
        _date = second, f"date: {formatdate(second, usegmt=True)}\r\n"
    return _date[1]
