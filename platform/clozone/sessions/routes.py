"""/api/sessions."""

from typing import Any, cast
from uuid import UUID

from quart import Blueprint, Response, current_app

from clozone.infra.progress import ProgressFeed
from clozone.kit.errors import Conflict, NotFound
from clozone.kit.pagination import Page
from clozone.sessions import erasure, service
from clozone.sessions.events import session_events
from clozone.sessions.schemas import (
    SessionChange,
    SessionDetail,
    SessionItem,
    SessionQuery,
    SessionStart,
    StartedSession,
)
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_read
from clozone.web.operation import Raw, operation
from clozone.web.sse import MEDIA_TYPE, event_stream

blueprint = Blueprint("sessions", __name__, url_prefix="/api/sessions")


@blueprint.post("")
@operation(
    allow=Role.rep, body=SessionStart, returns={201: StartedSession}, errors=(NotFound, Conflict)
)
async def start_session(actor: Actor, body: SessionStart) -> Any:
    """Start a practice session.

    Answers what the browser needs to begin the call with Vapi. The session will be graded against
    the rubric that the template has now, whatever becomes of it. An assignment must be the
    caller's own and be for this template.
    """
    settings = current_app.extensions["settings"]
    return await offload(service.start_session, settings, actor, body)


@blueprint.get("")
@operation(allow=Role.rep, query=SessionQuery, returns={200: Page[SessionItem]})
async def list_sessions(actor: Actor, query: SessionQuery) -> Any:
    """List sessions, newest first.

    Reps see their own, managers those of the organisation. Deleted sessions are not listed.
    """
    return await offload_read(service.list_sessions, actor, query)


@blueprint.get("/<uuid:session_id>")
@operation(allow=Role.rep, returns={200: SessionDetail}, errors=(NotFound,))
async def read_session(actor: Actor, session_id: UUID) -> Any:
    """Read a session: transcript, metrics, grade with its evidence, reviews, pipeline, files."""
    return await offload(service.read_session, actor, session_id)


@blueprint.get("/<uuid:session_id>/events")
@operation(allow=Role.rep, returns={200: Raw(MEDIA_TYPE)}, errors=(NotFound,))
async def watch_session(actor: Actor, session_id: UUID) -> Response:
    """Watch a session's progress.

    Server-sent events named `progress`; `data` is a SessionProgress. The first tells the state now,
    one follows at each change, and the stream ends with the one that is `finished`. A stream that
    ends without it, after some minutes or because the server restarts, is to be opened again.
    """
    first = await offload(service.read_progress, actor, session_id)
    feed = cast(ProgressFeed, current_app.extensions["progress"])
    return event_stream(session_events(feed, actor, session_id, first))


@blueprint.patch("/<uuid:session_id>")
@operation(allow=Role.rep, body=SessionChange, returns={200: SessionItem}, errors=(NotFound,))
async def change_session(actor: Actor, session_id: UUID, body: SessionChange) -> Any:
    """Say whether the deal was closed, or submit the session for review.

    Reps change their own sessions, managers any of the organisation.
    """
    return await offload(service.change_session, actor, session_id, body)


@blueprint.delete("/<uuid:session_id>")
@operation(allow=Role.manager, returns={204: None}, errors=(NotFound,))
async def delete_session(actor: Actor, session_id: UUID) -> None:
    """Delete a session with its transcript, grade, reviews and files.

    Analytics are as if it had never been. What a late webhook still brings is not kept.
    """
    await offload(erasure.delete_session, actor, session_id)
