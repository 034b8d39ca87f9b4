"""Errors in the form of the OpenAI API: `{"error": {message, type, code, param}}`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class ApiError(Exception):
    """A refusal with a status; `headers` go on the response."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {
            "error": {"message": message, "type": kind, "code": code, "param": param}
        }


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the body cannot be answered; `param` names the field."""
    return ApiError(HTTPStatus.BAD_REQUEST, message, param=param, code=code)


def not_found(what: str, name: str, code: str | None = None) -> ApiError:
    """404: no such model, file or batch."""
    return ApiError(HTTPStatus.NOT_FOUND, f"The {what} '{name}' does not exist.", code=code)
