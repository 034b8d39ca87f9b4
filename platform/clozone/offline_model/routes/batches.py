"""`/v1/batches`."""

from typing import Any

from quart import Blueprint, current_app

from clozone.offline_model.batches import Batches
from clozone.offline_model.routes.chat import json_body


def batch_routes(batches: Batches) -> Blueprint:
    """Start a batch, follow it, stop it."""
    routes = Blueprint("batches", __name__)

    @routes.post("/v1/batches")
    async def create() -> dict[str, Any]:
        batch = batches.create(await json_body())
        current_app.add_background_task(batches.work_off, batch)
        return batch.as_json()

    @routes.get("/v1/batches/<batch_id>")
    async def read(batch_id: str) -> dict[str, Any]:
        return batches.get(batch_id).as_json()

    @routes.post("/v1/batches/<batch_id>/cancel")
    async def cancel(batch_id: str) -> dict[str, Any]:
        return batches.cancel(batch_id).as_json()

    return routes
