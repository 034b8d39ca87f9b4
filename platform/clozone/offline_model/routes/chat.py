"""`POST /v1/chat/completions`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from quart import Blueprint, Response, request

from clozone.offline_model.completions import Completion, Completions
from clozone.offline_model.errors import bad_request
from clozone.offline_model.faults import FAULT_HEADER, read_fault_header
from clozone.offline_model.json_body import load_json
from clozone.offline_model.routes.loopback import is_loopback
from clozone.offline_model.wire import completion_json, events


def chat_routes(completions: Completions) -> Blueprint:
    """Answer a chat, whole or streamed."""
    routes = Blueprint("chat", __name__)

    @routes.post("/v1/chat/completions")
    async def chat() -> dict[str, Any] | Response:
        header = request.headers.get(FAULT_HEADER) if is_loopback(request.remote_addr) else None
        completion = await completions.complete(await json_body(), read_fault_header(header))
        if not completion.request.stream:
            return completion_json(completion)
        return Response(_stream(completion), content_type="text/event-stream; charset=utf-8")

    return routes


async def json_body() -> Any:
    """The JSON of the request. Raises a 400 for what is none."""
    try:
        return load_json(cast(bytes, await request.get_data()))
    except ValueError as error:
        raise bad_request("We could not parse the JSON body of your request.") from error


async def _stream(completion: Completion) -> AsyncIterator[bytes]:
    for event in events(completion):
        yield event.encode()
        if completion.pause:
            await asyncio.sleep(completion.pause)
