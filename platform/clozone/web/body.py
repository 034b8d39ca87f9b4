"""Request bodies with a limit that the route may set, also when no Content-Length announces them."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import orjson
from pydantic import BaseModel
from quart import Request, request
from quart.wrappers.request import Body
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType

from clozone.kit.errors import BadRequest
from clozone.web.validation import refuse_nul, validated


class LimitedBody(Body):
    """The bytes of a body, up to a limit that can be lowered once the route is known.

    Quart makes the body before routing, and bytes may already be arriving then; so it starts with
    the largest limit of any route and is cut to that of its own. It replaces Quart's altogether:
    0.22 and 0.23 differ inside, and the latter keeps everything that arrives until it is asked for.
    """

    def __init__(self, announced: int | None, max_bytes: int | None) -> None:
        self._announced = announced or 0
        self._limit = max_bytes or 0
        self._data = bytearray()
        self._done = asyncio.Event()
        self._failure: Exception | None = None

    def limit(self, max_bytes: int) -> None:
        """Refuse more than `max_bytes`, announced or received so far or from now on.

        Raises RequestEntityTooLarge if it is more already.
        """
        self._limit = max_bytes
        if max(self._announced, len(self._data)) > max_bytes:
            self._fail(RequestEntityTooLarge())
        if self._failure is not None:
            raise self._failure

    def append(self, data: bytes) -> None:
        """Take what arrived (Quart 0.22)."""
        if self._failure is not None:
            return
        self._data += data
        if len(self._data) > self._limit:
            self._fail(RequestEntityTooLarge())

    async def put(self, data: bytes) -> None:
        """Take what arrived (Quart 0.23)."""
        self.append(data)

    def set_complete(self) -> None:
        """All of it has arrived."""
        self._done.set()

    def set_result(self, data: bytes) -> None:
        """All of it, at once."""
        self.append(data)
        self.set_complete()

    def disconnect(self) -> None:
        """The rest will not arrive."""
        if not self._done.is_set():
            self._fail(ClientDisconnected())

    def clear(self) -> None:
        """Forget what arrived."""
        self._data.clear()

    def __await__(self) -> Generator[Any, None, bytes]:
        yield from self._done.wait().__await__()
        if self._failure is not None:
            raise self._failure
        return bytes(self._data)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:  # type: ignore[override]
        yield await self

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self.clear()
        self._done.set()


class LimitedRequest(Request):
    """A request with a limited body."""

    body_class: type[Body] = LimitedBody

    def limit_body(self, max_bytes: int) -> None:
        """Set the limit. Raises RequestEntityTooLarge at once if it is exceeded already."""
        cast(LimitedBody, self.body).limit(max_bytes)


async def read_body(model: type[BaseModel]) -> BaseModel:
    """The JSON body as `model`.

    Raises UnsupportedMediaType, BadRequest for what is not JSON, Invalid for what does not fit.
    """
    raw = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    if not raw:
        raise BadRequest("This address needs a JSON body.")
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
    content = _parsed(raw)
    if rb"\u0000" in raw:
        refuse_nul(content)
    return validated(lambda: model.model_validate_json(raw, strict=True))


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not valid JSON: see line {error.lineno}, column {error.colno}."
        ) from None
