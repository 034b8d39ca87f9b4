"""`/_control`: switching faults on and off, and what was asked so far. From this machine only."""

from http import HTTPStatus
from typing import Any

from quart import Blueprint, request

from clozone.offline_model.errors import ApiError, bad_request
from clozone.offline_model.faults import FaultPlan, read_faults
from clozone.offline_model.routes.chat import json_body
from clozone.offline_model.routes.loopback import is_loopback
from clozone.offline_model.stats import Stats


def control_routes(plan: FaultPlan, stats: Stats) -> Blueprint:
    """Read and replace the faults; read and reset the counts."""
    routes = Blueprint("control", __name__, url_prefix="/_control")

    @routes.before_request
    async def only_from_here() -> None:
        if not is_loopback(request.remote_addr):
            raise ApiError(HTTPStatus.FORBIDDEN, "Only from the machine the server runs on.")

    @routes.get("")
    async def switched_on() -> dict[str, Any]:
        return {"faults": plan.as_json()}

    @routes.post("")
    async def switch() -> dict[str, Any]:
        body = await json_body()
        if not isinstance(body, dict) or set(body) != {"faults"}:
            raise bad_request("Expected an object with 'faults' and nothing else.", "faults")
        plan.switch_to(read_faults(body["faults"]))
        return {"faults": plan.as_json()}

    @routes.get("/stats")
    async def counts() -> dict[str, Any]:
        return stats.as_json()

    @routes.delete("/stats")
    async def reset() -> dict[str, Any]:
        stats.reset()
        return stats.as_json()

    return routes
