"""The API's document and a page to read it with, from this host alone."""

from functools import partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import orjson
from quart import Blueprint, Quart, Response, request, send_from_directory
from werkzeug.exceptions import NotFound

from clozone.web.openapi import openapi_document

_OURS = Path(__file__).parent / "static"
_SWAGGER_UI = Path(str(files("flask_swagger_ui"))) / "dist"
_ASSETS = {
    "docs.js": _OURS,
    "favicon-32x32.png": _SWAGGER_UI,
    "swagger-ui.css": _SWAGGER_UI,
    "swagger-ui-bundle.js": _SWAGGER_UI,
}
# Swagger UI sets styles on elements and draws its icons from data: addresses.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_ASSET_SECONDS = 3600


def docs_blueprint(app: Quart, *, title: str, version: str, description: str) -> Blueprint:
    """`/api/openapi.json` and `/api/docs` for all operations of `app`.

    The document is made at the first request, when every blueprint has been registered.
    """
    blueprint = Blueprint("docs", __name__, url_prefix="/api")
    write = partial(openapi_document, app, title=title, version=version, description=description)
    document: list[bytes] = []

    @blueprint.get("/openapi.json")
    async def openapi() -> Response:
        if not document:
            document.append(orjson.dumps(write()))
        response = Response(document[0], content_type="application/json")
        response.set_etag(sha256(document[0]).hexdigest()[:32])
        response.headers["Cache-Control"] = "no-cache"
        return await response.make_conditional(request)

    @blueprint.get("/docs")
    async def page() -> Response:
        response = await send_from_directory(_OURS, "docs.html")
        response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @blueprint.get("/docs/<name>")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise NotFound()
        return await send_from_directory(_ASSETS[name], name, cache_timeout=_ASSET_SECONDS)

    return blueprint
