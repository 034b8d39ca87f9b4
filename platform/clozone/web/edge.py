"""The outermost layer: names the request, signs every answer, writes the one line about it, and
refuses what is more than this instance can do.

It stands outside Quart, so that errors Quart answers itself, streams and abandoned requests get the
same treatment.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, HTTPScope, Scope
from quart import request

from clozone.infra.pool_waits import RequestWait, request_wait
from clozone.kit import context
from clozone.kit.errors import Overloaded
from clozone.web.access_line import CLIENT_LEFT, log_request
from clozone.web.admission import Admission, kind_of, refusal
from clozone.web.draining import Draining
from clozone.web.request_id import HEADER, accept_request_id

INSTANCE_HEADER = "X-Clozone-Instance"
_SCOPE_KEY = "clozone.facts"
# What is read of a refused request's body, so that its sender is still there to read the refusal.
_READ_OF_REFUSED = 1024 * 1024

AsgiApp = Callable[[Any, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]


@dataclass(slots=True)
class RequestFacts:
    """What the inner layers tell the access line."""

    route: str | None = None
    org_id: str | None = None
    code: str | None = None


def request_facts() -> RequestFacts:
    """The facts of the request at hand."""
    return cast(RequestFacts, cast(dict[str, Any], request.scope)[_SCOPE_KEY])


class Edge:
    """An ASGI application around another."""

    def __init__(
        self, app: AsgiApp, instance: str, draining: Draining, admission: Admission
    ) -> None:
        self._app = app
        self._instance = instance.encode("latin-1", "replace")
        self._draining = draining
        self._admission = admission

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one request; the beginning and the end of the process pass through."""
        if scope["type"] == "websocket":
            # There are none here; before they are accepted, to close one is to refuse it (403).
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_wait.set(RequestWait())
        request_id = accept_request_id(_header(scope, HEADER))
        token = context.request_id.set(request_id)
        facts = RequestFacts()
        cast(dict[str, Any], scope)[_SCOPE_KEY] = facts
        status = CLIENT_LEFT
        started = time.perf_counter()

        async def signed_send(event: ASGISendEvent) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
                event["headers"] = [*event["headers"], *self._signature(request_id)]
            await send(event)

        kind = kind_of(scope["path"], _header(scope, "accept") or "")
        try:
            if self._admission.enter(kind):
                try:
                    await self._app(scope, receive, signed_send)
                finally:
                    self._admission.leave(kind)
            else:
                self._admission.refused[kind] += 1
                facts.code = Overloaded.code
                await _refuse(scope, request_id, receive, signed_send)
        finally:
            seconds = time.perf_counter() - started
            log_request(
                scope["method"],
                facts.route,
                status,
                seconds,
                org_id=facts.org_id,
                code=facts.code,
                request_id=request_id,
            )
            context.request_id.reset(token)

    def _signature(self, request_id: str) -> list[tuple[bytes, bytes]]:
        headers = [
            (HEADER.lower().encode(), request_id.encode()),
            (INSTANCE_HEADER.lower().encode(), self._instance),
        ]
        if self._draining.leaving:
            headers.append((b"connection", b"close"))
        return headers


async def _refuse(
    scope: HTTPScope, request_id: str, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    read, more = 0, True
    while more and read < _READ_OF_REFUSED:
        event = await receive()
        more = event["type"] == "http.request" and event["more_body"]
        read += len(event["body"]) if event["type"] == "http.request" else 0
    fields, body = refusal(scope["path"], request_id)
    fields |= {"Content-Length": str(len(body)), "X-Content-Type-Options": "nosniff"}
    headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": Overloaded.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _header(scope: HTTPScope, name: str) -> str | None:
    wanted = name.lower().encode()
    for key, value in scope["headers"]:
        if key.lower() == wanted:
            return value.decode("latin-1")
    return None
