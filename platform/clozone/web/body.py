"""Request bodies with a limit that the route may set, also when no Content-Length announces them."""

from typing import Any, cast

import orjson
from pydantic import BaseModel
from quart import Request, request
from quart.wrappers.request import Body
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from clozone.kit.errors import BadRequest
from clozone.web.validation import refuse_nul, validated


class LimitedBody(Body):
    """A body whose limit can be lowered once the route is known.

    Quart fixes the limit before routing, and bytes may already be arriving then; so a body starts
    with the largest limit of any route and is cut to that of its own.
    """

    def limit(self, max_bytes: int, announced: int | None) -> None:
        """Refuse more than `max_bytes`, whether announced or already received."""
        self._max_content_length = max_bytes
        if (announced or 0) > max_bytes or len(self._data) > max_bytes:
            self._must_raise = RequestEntityTooLarge()
            self.clear()
            self.set_complete()


class LimitedRequest(Request):
    """A request with a limited body."""

    body_class = LimitedBody

    def limit_body(self, max_bytes: int) -> None:
        """Set the limit. Raises RequestEntityTooLarge at once if the announced length is over it."""
        cast(LimitedBody, self.body).limit(max_bytes, self.content_length)
        if (self.content_length or 0) > max_bytes:
            raise RequestEntityTooLarge()


async def read_body(model: type[BaseModel]) -> BaseModel:
    """The JSON body as `model`.

    Raises UnsupportedMediaType, BadRequest for what is not JSON, Invalid for what does not fit.
    """
    raw = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    if not raw:
        raise BadRequest("This address needs a JSON body.")
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
    refuse_nul(_parsed(raw))
    return validated(lambda: model.model_validate_json(raw))


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not valid JSON: see line {error.lineno}, column {error.colno}."
        ) from None
