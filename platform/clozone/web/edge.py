"""The outermost layer: names the request, signs every answer, writes the one line about it.

It stands outside Quart, so that errors Quart answers itself, streams and abandoned requests get the
same treatment.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, HTTPScope, Scope
from loguru import logger
from quart import request

from clozone.kit import context
from clozone.web.draining import Draining
from clozone.web.request_id import HEADER, accept_request_id

INSTANCE_HEADER = "X-Clozone-Instance"
CLIENT_LEFT = 499  # nginx's status for a client that did not wait; no answer carries it
_SCOPE_KEY = "clozone.facts"
_UNREMARKABLE = "/api/health"

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

    def __init__(self, app: AsgiApp, instance: str, draining: Draining) -> None:
        self._app = app
        self._instance = instance.encode("latin-1", "replace")
        self._draining = draining

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
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

        try:
            await self._app(scope, receive, signed_send)
        finally:
            _log(scope, facts, status, time.perf_counter() - started)
            context.request_id.reset(token)

    def _signature(self, request_id: str) -> list[tuple[bytes, bytes]]:
        headers = [
            (HEADER.lower().encode(), request_id.encode()),
            (INSTANCE_HEADER.lower().encode(), self._instance),
        ]
        if self._draining.leaving:
            headers.append((b"connection", b"close"))
        return headers


def _log(scope: HTTPScope, facts: RequestFacts, status: int, seconds: float) -> None:
    quiet = (facts.route or "").startswith(_UNREMARKABLE)
    logger.bind(
        method=scope["method"],
        route=facts.route,
        status=status,
        ms=round(seconds * 1000, 1),
        org_id=facts.org_id,
        code=facts.code,
    ).log("DEBUG" if quiet else "INFO", "request")


def _header(scope: HTTPScope, name: str) -> str | None:
    wanted = name.lower().encode()
    for key, value in scope["headers"]:
        if key.lower() == wanted:
            return value.decode("latin-1")
    return None
