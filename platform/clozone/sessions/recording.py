"""That a session's recording is to be fetched: decided here, done by the slice `recordings`."""

from datetime import datetime
from uuid import UUID

from clozone.jobs.enqueue import enqueue
from clozone.models.training import TrainingSession

FETCH = "recordings.fetch"
# One job at a time fetches a session's recording.
DEDUPE_PREFIX = "recording:"


def want_recording(session: TrainingSession, *, run_at: datetime | None = None) -> None:
    """Let the session wait for its recording. To be called within `rollup.changing`."""
    session_id: UUID = session.id
    session.recording_state = "waiting"
    session.recording_error = None
    session.recording_key = None
    enqueue(
        FETCH,
        {"session_id": str(session_id)},
        org_id=session.org_id,
        dedupe_key=f"{DEDUPE_PREFIX}{session_id}",
        run_at=run_at,
    )
