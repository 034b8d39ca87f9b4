"""The one line about each request."""

from loguru import logger

CLIENT_LEFT = 499  # nginx's status for a client that did not wait; no answer carries it
_UNREMARKABLE = "/api/health"


def log_request(
    method: str,
    route: str | None,
    status: int,
    seconds: float,
    *,
    org_id: str | None,
    code: str | None,
    request_id: str,
) -> None:
    """Write the line. `route` is the template, never the path: paths hold ids. Health is DEBUG."""
    quiet = route is not None and route.startswith(_UNREMARKABLE)
    logger.bind(
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
        org_id=org_id,
        code=code,
        request_id=request_id,
    ).log("DEBUG" if quiet else "INFO", "request")
