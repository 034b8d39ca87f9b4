"""What a session says of its recording, and handing it out."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from clozone.infra.object_storage import StoredObject, object_storage, recording_key
from clozone.kit.clock import now
from clozone.kit.errors import NotFound
from clozone.models.training import TrainingSession
from clozone.recordings.fetcher import Order
from clozone.recordings.schemas import RecordingAnswer
from clozone.sessions.rollup import changing
from clozone.web.identity import Actor, Role

UNREACHABLE = "unreachable"
KEY_REFUSED = "key_refused"

_EXTENSIONS = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
}
_LONGEST_REASON = 300


class NoRecording(NotFound):
    """The session is there, its recording is not."""

    code: ClassVar[str] = "no_recording"
    title: ClassVar[str] = "No recording"


def begin(session_id: UUID) -> Order | None:
    """What is to be fetched, or None when the session is gone or not waiting for its recording."""
    session: TrainingSession | None = TrainingSession.get_or_none(
        TrainingSession.id == session_id,
        TrainingSession.deleted_at.is_null(),
        TrainingSession.recording_state == "waiting",
    )
    if session is None:
        return None
    return Order(
        org_id=session.org_id,
        session_id=session_id,
        called_at=session.ended_at or session.created_at,
        url=session.recording_url,
        expires_at=session.recording_url_expires_at,
        call_id=session.vapi_call_id,
    )


def record_stored(session_id: UUID, stored: StoredObject, content_type: str) -> None:
    """The recording is in the object storage. Raises NotFound if the session is deleted."""
    with changing(session_id) as session:
        session.recording_state = "stored"
        session.recording_error = None
        session.recording_key = stored.key
        session.recording_bytes = stored.size
        session.recording_content_type = content_type


def record_failure(session_id: UUID, code: str, reason: str) -> None:
    """There will be no recording, and why. Nothing if the session is deleted or has one."""
    with suppress(NotFound), changing(session_id) as session:
        if session.recording_state == "waiting":
            session.recording_state = "failed"
            # It may quote the server; PostgreSQL takes no NUL.
            plain = "".join(c if c.isprintable() else " " for c in reason)
            session.recording_error = f"{code}: {plain}"[:_LONGEST_REASON]


def record_not_wanted(session_id: UUID) -> None:
    """Recordings are not stored here."""
    with suppress(NotFound), changing(session_id) as session:
        if session.recording_state == "waiting":
            session.recording_state = "none"


def object_key(order: Order) -> str:
    """Where the recording goes."""
    return recording_key(order.org_id, order.session_id)


def read_recording(actor: Actor, session_id: UUID) -> RecordingAnswer:
    """A fresh link to the recording. Raises NotFound for the session, NoRecording for the rest."""
    session: TrainingSession | None = TrainingSession.get_or_none(
        TrainingSession.id == session_id, TrainingSession.deleted_at.is_null()
    )
    if session is None or not (
        actor.role.at_least(Role.manager) or session.user_id == actor.user_id
    ):
        raise NotFound("There is no such session.")
    if session.recording_state != "stored" or session.recording_key is None:
        raise NoRecording(_why_none(session), state=session.recording_state)
    storage = object_storage()
    content_type = session.recording_content_type or "application/octet-stream"
    called_at = session.started_at or session.created_at
    return RecordingAnswer(
        session_id=session_id,
        content_type=content_type,
        size_bytes=session.recording_bytes,
        url=storage.presigned_get(
            session.recording_key,
            storage.link_seconds,
            _file_name(called_at, content_type),
            content_type,
        ),
        url_expires_at=now() + timedelta(seconds=storage.link_seconds),
    )


def _why_none(session: TrainingSession) -> str:
    if session.recording_state == "waiting":
        return "The recording is being fetched. Ask again in a minute."
    if session.recording_state == "failed":
        told = re.sub(r"^\w+: ", "", session.recording_error or "unknown reason")
        return f"The recording of this call could not be fetched: {told}."
    return "This call has no recording."


def _file_name(called_at: datetime, content_type: str) -> str:
    day = called_at.astimezone(UTC)
    return f"call-{day:%Y-%m-%d-%H%M}.{_EXTENSIONS.get(content_type, 'bin')}"
