"""JSON out: one encoder, one format of times."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import orjson
from pydantic import BaseModel
from quart import Response

from clozone.kit.clock import iso

JSON_TYPE = "application/json"


def dumps(value: Any) -> bytes:
    """JSON of models, dataclasses, UUIDs, aware times, days and plain values, in any mixture."""
    return orjson.dumps(value, default=_encode, option=orjson.OPT_PASSTHROUGH_DATETIME)


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer. Bytes are taken as JSON that is already encoded, for instance by a cache."""
    body = value if isinstance(value, bytes) else dumps(value)
    return Response(body, status, headers=dict(headers or {}), content_type=JSON_TYPE)


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
