"""Cross-origin requests, for the configured origins only.

Credentials travel in the Authorization header, never in cookies, so the browser needs no permission
to send any.
"""

from collections.abc import Sequence
from http import HTTPStatus

from quart import Quart, Response, request

_METHODS = "GET, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    "Authorization, Content-Type, If-None-Match, Idempotency-Key, Last-Event-ID, X-API-Key, "
    "X-Request-ID"
)
_EXPOSED_HEADERS = (
    "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Clozone-Instance, X-Request-ID"
)
_PREFLIGHT_SECONDS = "600"


def install_cors(app: Quart, origins: Sequence[str]) -> None:
    """Answer preflights and mark answers for `origins`; `*` stands for every origin."""
    if not origins:
        return
    allowed = frozenset(origins)

    def permitted() -> str | None:
        origin = request.headers.get("Origin")
        if "*" in allowed:
            return "*"
        return origin if origin in allowed else None

    async def preflight() -> Response | None:
        asks = "Access-Control-Request-Method" in request.headers and "Origin" in request.headers
        if request.method != "OPTIONS" or not asks:
            return None
        response = Response(b"", HTTPStatus.NO_CONTENT)
        response.vary.update(["Access-Control-Request-Method", "Access-Control-Request-Headers"])
        if permitted():
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
            response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
        return response

    async def mark(response: Response) -> Response:
        response.vary.add("Origin")  # also where it is refused, or a cache would keep the refusal
        if (origin := permitted()) and "Origin" in request.headers:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        return response

    app.before_request(preflight)
    app.after_request(mark)
