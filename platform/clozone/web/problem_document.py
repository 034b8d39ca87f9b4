"""The body of every refusal: a problem document (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

import orjson

MEDIA_TYPE = "application/problem+json"


def problem_document(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    instance: str,
    request_id: str | None,
    fields: Mapping[str, Any] | None = None,
) -> bytes:
    """The document as JSON. `fields` are members beyond those of the RFC."""
    return orjson.dumps(
        {
            **(fields or {}),
            "type": f"urn:clozone:problem:{code}",
            "title": title,
            "status": int(status),
            "detail": detail,
            "instance": instance,
            "code": code,
            "request_id": request_id,
        },
        default=str,
    )
