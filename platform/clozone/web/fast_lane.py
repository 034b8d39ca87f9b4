"""A short way for reads whose answers mostly lie ready: past Hypercorn's and Quart's machinery.

Reading a request with h11, a task and a queue for it, Quart's dispatch and two writes cost ten times
what a cached answer itself does. A handler of the fast lane is given the bare head and gives the
bytes. It is never another way to do something: it calls what the route calls, and whatever is not
plain (no token, a refusal, an error, a field it does not know) it declines, and the very same bytes
go on to Hypercorn and Quart as if nothing had been.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from clozone.infra.pool_waits import RequestWait, request_wait
from clozone.kit import context
from clozone.kit.errors import Overloaded
from clozone.web.access_line import log_request
from clozone.web.admission import Admission, Kind, kind_of, refusal
from clozone.web.draining import Draining
from clozone.web.edge import INSTANCE_HEADER
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
    org_id: str


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

    def takes(self, head: RequestHead) -> bool:
        """Whether a handler is to be asked."""
        return (
            head.path in self._handlers
            and not self.draining.leaving
            and _DECLINED_FIELDS.isdisjoint(head.headers)
        )

    def is_full(self, head: RequestHead) -> bool:
        """Whether the request finds no place, and is to be refused."""
        return self.admission.is_full(_kind(head))

    async def answer(self, head: RequestHead) -> bytes | None:
        """The response, ready to be sent, or None when the request is to go the usual way."""
        started = time.perf_counter()
        request_id = _request_id(head)
        context.request_id.set(request_id)
        request_wait.set(RequestWait())
        if not self.admission.enter(Kind.api):
            return self.refuse(head)
        try:
            answer = await self._handlers[head.path](head)
        finally:
            self.admission.leave(Kind.api)
        if answer is None:
            return None
        route = head.path.decode()
        seconds = time.perf_counter() - started
        log_request(
            "GET",
            route,
            answer.status,
            seconds,
            org_id=answer.org_id,
            code=None,
            request_id=request_id,
        )
        return self._response(answer.status, answer.fields, answer.body, request_id)

    def refuse(self, head: RequestHead) -> bytes:
        """The response to a request that finds no place."""
        self.admission.refused[_kind(head)] += 1
        request_id = _request_id(head)
        fields, body = refusal(head.path.decode("latin-1"), request_id)
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


def _kind(head: RequestHead) -> Kind:
    """What the request counts as."""
    return kind_of(head.path.decode("latin-1"), head.headers.get(b"accept", b"").decode("latin-1"))


def _request_id(head: RequestHead) -> str:
    return accept_request_id(head.headers.get(_REQUEST_ID, b"").decode("latin-1"))


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
