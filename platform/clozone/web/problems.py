"""Every error leaves as an RFC 9457 problem document, from this one place."""

from http import HTTPStatus
from typing import Any

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from clozone.kit.context import current_request_id
from clozone.kit.errors import BadRequest, DomainError, NotFound, PayloadTooLarge
from clozone.web.edge import request_facts
from clozone.web.explaining import explained, head_fields
from clozone.web.problem_document import MEDIA_TYPE, problem_document

# HTTP errors that our own errors also name.
_NAMES = {
    error.status: (error.code, error.title) for error in (BadRequest, NotFound, PayloadTooLarge)
}

_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method; see the Allow header.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this address takes.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
}


def install_problems(app: Quart) -> None:
    """Make `app` answer every exception with a problem document."""
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _unexpected)


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    fields: dict[str, Any] | None = None,
) -> Response:
    """A problem document as a response. `fields` are members beyond those of RFC 9457."""
    request_facts().code = code
    body = problem_document(
        status,
        code,
        title,
        detail,
        instance=request.path,
        request_id=current_request_id(),
        fields=fields,
    )
    return Response(body, int(status), headers=headers or {}, content_type=MEDIA_TYPE)


async def _domain_error(error: DomainError) -> Response:
    return problem(
        error.status,
        error.code,
        error.title,
        error.detail,
        headers=head_fields(error),
        fields=error.fields,
    )


async def _http_exception(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return await _unexpected(getattr(error, "original_exception", None) or error)
    # Allow (405) and the like belong to the answer; the HTML body's own headers do not.
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    code, title = _NAMES.get(status, (status.name.lower(), status.phrase.capitalize()))
    detail = _DETAILS.get(status) or error.description or title
    return problem(status, code, title, detail, headers=headers)


async def _unexpected(error: Exception) -> Response:
    return await _domain_error(explained(error))
