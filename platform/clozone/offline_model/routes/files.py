"""`/v1/files`."""

from typing import Any

from quart import Blueprint, Response, request

from clozone.offline_model.errors import bad_request
from clozone.offline_model.files import FileStore


def file_routes(files: FileStore) -> Blueprint:
    """Take a batch's input, give its output."""
    routes = Blueprint("files", __name__)

    @routes.post("/v1/files")
    async def upload() -> dict[str, Any]:
        given = (await request.files).get("file")
        if given is None:
            raise bad_request("'file' is a required property", "file")
        if (await request.form).get("purpose") != "batch":
            raise bad_request("'purpose' must be 'batch'.", "purpose")
        return files.add(given.filename or "upload.jsonl", "batch", given.read()).as_json()

    @routes.get("/v1/files/<file_id>")
    async def describe(file_id: str) -> dict[str, Any]:
        return files.get(file_id).as_json()

    @routes.get("/v1/files/<file_id>/content")
    async def content(file_id: str) -> Response:
        return Response(files.get(file_id).content, content_type="application/octet-stream")

    @routes.delete("/v1/files/<file_id>")
    async def delete(file_id: str) -> dict[str, Any]:
        files.delete(file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    return routes
