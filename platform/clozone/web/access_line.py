"""The one line about each request."""

from clozone.infra.pool_waits import request_wait
from clozone.infra.request_lines import request_lines

CLIENT_LEFT = 499  # nginx's status for a client that did not wait; no answer carries it
WORTH_TELLING_MS = 1.0  # of waiting for the database
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
    waited = request_wait.get()
    wait_ms = 0.0 if waited is None else waited.seconds * 1000
    quiet = route is not None and route.startswith(_UNREMARKABLE)
    facts = {
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "org_id": org_id,
        "code": code,
        "request_id": request_id,
        "db_wait_ms": round(wait_ms, 1) if wait_ms > WORTH_TELLING_MS else None,
    }
    request_lines.write("DEBUG" if quiet else "INFO", facts)
