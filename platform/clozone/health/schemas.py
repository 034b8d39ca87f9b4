"""What health answers."""

from enum import StrEnum

from clozone.web.schema import ResponseModel


class HealthStatus(StrEnum):
    """How a component, or the whole, is."""

    up = "up"
    degraded = "degraded"
    down = "down"


class ComponentHealth(ResponseModel):
    """One component: how it is, how long the check took, and why if it is not up."""

    status: HealthStatus
    latency_ms: float
    detail: str | None = None


class HealthReport(ResponseModel):
    """The whole platform, as this instance sees it."""

    status: HealthStatus
    instance: str
    version: str
    components: dict[str, ComponentHealth]


class HealthSign(ResponseModel):
    """A bare yes."""

    status: str
