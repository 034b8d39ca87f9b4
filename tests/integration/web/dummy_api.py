"""A small slice, so that the plumbing can be tested by itself."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import Field
from quart import Blueprint, Response, request

from clozone.infra.postgres import database
from clozone.kit.context import current_request_id
from clozone.kit.errors import Conflict, Unauthenticated
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload
from clozone.web.operation import Raw, operation
from clozone.web.schema import RequestModel, ResponseModel
from clozone.web.sse import Event, event_stream

ORG = UUID("0199e4f0-0000-7000-8000-00000000000a")
TOKENS = {
    "Bearer rep": Actor(UUID(int=1), ORG, Role.rep),
    "Bearer manager": Actor(UUID(int=2), ORG, Role.manager),
}
KEYS = {
    "reading-key": Actor(None, ORG, Role.manager, UUID(int=3), frozenset({"read"})),
    "writing-key": Actor(None, ORG, Role.manager, UUID(int=4), frozenset({"read", "write"})),
}

blueprint = Blueprint("things", __name__, url_prefix="/api/things")


def authenticate(authorization: str | None, api_key: str | None) -> Actor:
    actor = TOKENS.get(authorization or "") or KEYS.get(api_key or "")
    if actor is None:
        raise Unauthenticated("The access token is not valid.")
    return actor


class NewThing(RequestModel):
    name: str = Field(min_length=1, max_length=20)


class Thing(ResponseModel):
    name: str
    made: datetime
    note: str | None = None


class Filter(RequestModel):
    limit: int = Field(20, ge=1, le=100)
    tag: list[str] = Field(default_factory=list)


@dataclass
class Row:
    """What a service returns: more than the answer shows."""

    name: str
    made: datetime
    internal: str = "not for callers"


@blueprint.post("")
@operation(allow=Role.rep, body=NewThing, returns={201: Thing}, errors=(Conflict,))
async def make_thing(actor: Actor, body: NewThing) -> tuple[Row, dict[str, str]]:
    """Make a thing."""
    if body.name == "taken":
        raise Conflict("There is a thing of this name.")
    return Row(body.name, datetime(2026, 11, 24, 8, tzinfo=UTC)), {"Location": "/api/things/1"}


@blueprint.get("")
@operation(allow=Role.rep, query=Filter, returns={200: list[str]})
async def list_things(actor: Actor, query: Filter) -> list[str]:
    """List things."""
    return [f"{query.limit}", *query.tag, str(actor.org_id)]


@blueprint.get("/<uuid:thing_id>")
@operation(allow=Role.manager, returns={200: Thing})
async def read_thing(actor: Actor, thing_id: UUID) -> Row:
    """Read a thing."""
    return Row(str(thing_id), datetime(2026, 11, 24, tzinfo=UTC))


@blueprint.delete("/<uuid:thing_id>")
@operation(allow=Role.rep, returns={204: None})
async def delete_thing(actor: Actor, thing_id: UUID) -> None:
    """Delete a thing."""


@blueprint.get("/public")
@operation(allow=None, returns={200: list[str]})
async def public() -> list[str]:
    """For everybody."""
    return ["public"]


@blueprint.post("/grade")
@operation(allow=Role.rep, limit="strict", returns={202: list[str]})
async def grade(actor: Actor) -> list[str]:
    """Grade on demand."""
    return []


@blueprint.post("/hook")
@operation(allow=None, limit=None, max_body="webhook", returns={200: list[int]})
async def hook() -> list[int]:
    """Take any bytes."""
    return [len(await request.get_data(as_text=False))]


@blueprint.get("/broken")
@operation(allow=None, limit=None, returns={200: list[str]})
async def broken() -> None:
    """Fail."""
    raise RuntimeError("the password is hunter2")


@blueprint.get("/mismatch")
@operation(allow=None, limit=None, returns={200: Thing})
async def mismatch() -> dict[str, str]:
    """Return what the document does not promise."""
    return {"name": "no time"}


def _scope_and_thread() -> list[str]:
    row = database.execute_sql(
        "SELECT current_user, current_setting('clozone.org_id'), pg_current_xact_id()::text"
    ).fetchone()
    return [*row, current_request_id() or ""]


@blueprint.get("/scope")
@operation(allow=Role.rep, returns={200: list[str]})
async def scope(actor: Actor) -> list[str]:
    """In which role and for which organisation the database is asked."""
    return await offload(_scope_and_thread)


@blueprint.get("/events")
@operation(allow=Role.rep, returns={200: Raw("text/event-stream")})
async def events(actor: Actor) -> Response:
    """Two events, then silence until the client leaves."""
    return event_stream(_events(), keep_alive_seconds=0.05)


closed = threading.Event()


async def _events() -> AsyncGenerator[Event, None]:
    closed.clear()
    try:
        for number in (1, 2):
            _, org_id, *_ = await offload(_scope_and_thread)
            yield Event("progress", {"step": number, "org_id": org_id}, id=str(number))
        await asyncio.Event().wait()
    finally:
        closed.set()


@blueprint.get("/slow")
@operation(allow=None, limit=None, returns={200: list[str]})
async def slow() -> list[str]:
    """Take a while."""
    await asyncio.sleep(float(request.args["seconds"]))
    return ["done"]


@blueprint.get("/ticks")
@operation(allow=None, limit=None, returns={200: Raw("text/event-stream")})
async def ticks() -> Response:
    """One event, then silence."""
    return event_stream(_tick())


async def _tick() -> AsyncGenerator[Event, None]:
    yield Event("tick", None)
    await asyncio.Event().wait()
