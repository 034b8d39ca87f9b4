"""The server: an OpenAI-compatible HTTP API in front of fixed rules."""

import secrets
from http import HTTPStatus

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from clozone.offline_model.batches import Batches
from clozone.offline_model.completions import Completions
from clozone.offline_model.errors import ApiError
from clozone.offline_model.faults import FaultPlan
from clozone.offline_model.files import FileStore
from clozone.offline_model.routes.batches import batch_routes
from clozone.offline_model.routes.chat import chat_routes
from clozone.offline_model.routes.control import control_routes
from clozone.offline_model.routes.files import file_routes
from clozone.offline_model.routes.models import model_routes
from clozone.offline_model.settings import OfflineModelSettings
from clozone.offline_model.stats import Stats


def create_app(settings: OfflineModelSettings) -> Quart:
    """The application; everything it remembers lives in it and ends with it."""
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    # An answer may be made to hang, and a long batch file may take its time.
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    plan, stats, files = FaultPlan(), Stats(), FileStore()
    completions = Completions(settings, plan, stats)
    app.register_blueprint(model_routes(settings))
    app.register_blueprint(chat_routes(completions))
    app.register_blueprint(file_routes(files))
    app.register_blueprint(batch_routes(Batches(completions, files, plan)))
    app.register_blueprint(control_routes(plan, stats))

    @app.before_request
    async def require_key() -> None:
        if request.path.startswith("/v1/"):
            _require_key(settings.api_key)

    @app.errorhandler(ApiError)
    async def explain(error: ApiError) -> tuple[dict[str, object], int, dict[str, str]]:
        return error.body, error.status, error.headers

    @app.errorhandler(HTTPException)
    async def explain_http(error: HTTPException) -> tuple[dict[str, object], int]:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        message = error.description or HTTPStatus(status).phrase
        if status == HTTPStatus.NOT_FOUND:
            message = f"Unknown request URL: {request.method} {request.path}."
        return ApiError(status, message).body, status

    @app.after_request
    async def name_request(response: Response) -> Response:
        response.headers.setdefault("x-request-id", f"req_{secrets.token_hex(12)}")
        return response

    return app


def _require_key(expected: str | None) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiError(
            HTTPStatus.UNAUTHORIZED,
            "You didn't provide an API key. Send one as a bearer token: Authorization: Bearer KEY.",
        )
    if expected is not None and not secrets.compare_digest(key.strip().encode(), expected.encode()):
        raise ApiError(
            HTTPStatus.UNAUTHORIZED, "Incorrect API key provided.", code="invalid_api_key"
        )
