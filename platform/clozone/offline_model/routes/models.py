"""`/v1/models`, and a probe."""

from http import HTTPStatus
from typing import Any

from quart import Blueprint

from clozone.offline_model.errors import not_found
from clozone.offline_model.settings import OfflineModelSettings

# The day these rules were written, 2026-11-24; the API wants a time.
_CREATED = 1_795_478_400


def model_routes(settings: OfflineModelSettings) -> Blueprint:
    """List the models, read one, tell that the server is up."""
    routes = Blueprint("models", __name__)

    @routes.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(name) for name in settings.models]}

    @routes.get("/v1/models/<name>")
    async def model(name: str) -> dict[str, Any]:
        if name not in settings.models:
            raise not_found("model", name, "model_not_found")
        return _model(name)

    @routes.get("/_health")
    async def health() -> tuple[dict[str, str], int]:
        return {"status": "ok"}, HTTPStatus.OK

    return routes


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "clozone"}
