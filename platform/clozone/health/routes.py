"""Health for people, for process managers and for load balancers."""

from typing import cast

from quart import Blueprint, current_app

from clozone.health.schemas import HealthReport, HealthSign, HealthStatus
from clozone.health.service import Health
from clozone.kit.errors import Unavailable
from clozone.web.draining import Draining
from clozone.web.operation import operation

blueprint = Blueprint("health", __name__, url_prefix="/api/health")


@blueprint.get("")
@operation(allow=None, limit=None, returns={200: HealthReport, 503: HealthReport})
async def read_health() -> tuple[HealthReport, int]:
    """How every component is.

    503 while the database is away or its schema is old: nothing works without. 200 in every other
    case; `degraded` says that something else is away, which delays work and loses none.
    """
    report = await _health().report()
    return report, 503 if report.status == HealthStatus.down else 200


@blueprint.get("/live")
@operation(allow=None, limit=None, returns={200: HealthSign})
async def read_liveness() -> HealthSign:
    """This process answers. Asks nothing else."""
    return HealthSign(status="live")


@blueprint.get("/ready")
@operation(allow=None, limit=None, returns={200: HealthSign})
async def read_readiness() -> HealthSign:
    """This instance takes requests: its database answers and it is not about to stop."""
    if cast(Draining, current_app.extensions["draining"]).started:
        raise Unavailable("This instance is stopping.")
    if missing := await _health().missing():
        raise Unavailable(f"Not ready: {', '.join(missing)}.")
    return HealthSign(status="ready")


def _health() -> Health:
    return cast(Health, current_app.extensions["health"])
