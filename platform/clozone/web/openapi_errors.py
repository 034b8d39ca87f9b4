"""The error answers of the OpenAPI document: those declared, and those that follow by themselves."""

from http import HTTPStatus
from typing import Any

from clozone.kit.errors import (
    BadRequest,
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    PayloadTooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from clozone.web.operation import Operation
from clozone.web.problem_document import MEDIA_TYPE

RATE_LIMIT_HEADERS: dict[str, Any] = {
    "RateLimit": {
        "description": 'What is left, and until when: `"user";r=42;t=30`.',
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": 'The quota and its window in seconds: `"user";q=1000;w=900`.',
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
}

_TEXT = {"type": "string"}
PROBLEM_SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "What went wrong and what to do about it (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "instance": _TEXT,
            "code": {"type": "string", "description": "For programs; it does not change."},
            "request_id": {"type": "string", "description": "Quote it when you report a problem."},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
            "policy": {"type": "string", "description": "The rate limit that was reached."},
        },
    },
    "FieldError": {
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": _TEXT, "message": _TEXT},
    },
}

_RETRY_LATER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def error_responses(spec: Operation, *, method: str, has_path_parameters: bool) -> dict[str, Any]:
    """The answers besides success, by status."""
    titles: dict[int, dict[str, str]] = {}
    for error in (*spec.errors, *_implied(spec, method, has_path_parameters)):
        titles.setdefault(int(error.status), {})[error.code] = error.title
    if spec.body is not None:
        titles[HTTPStatus.UNSUPPORTED_MEDIA_TYPE] = {
            "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE.phrase
        }
    return {str(status): _response(status, titles[status]) for status in sorted(titles)}


def _implied(spec: Operation, method: str, has_path_parameters: bool) -> list[type[DomainError]]:
    errors: list[type[DomainError]] = [DomainError, Unavailable]
    if spec.allow is not None:
        errors += [Unauthenticated, Forbidden]
    if has_path_parameters:
        errors.append(NotFound)
    if spec.body is not None:
        errors += [BadRequest, Invalid]
    if spec.query is not None:
        errors.append(Invalid)
    if method != "get":
        errors.append(PayloadTooLarge)
    if spec.limit is not None:
        errors.append(TooManyRequests)
    return errors


def _response(status: int, titles: dict[str, str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; ".join(f"{title} (`{code}`)" for code, title in titles.items()),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _RETRY_LATER:
        response["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return response
