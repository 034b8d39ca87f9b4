"""How a session goes on once its call is over."""

from contextlib import suppress
from dataclasses import asdict
from uuid import UUID

from clozone.jobs.enqueue import enqueue
from clozone.jobs.kinds import RunningJob
from clozone.kit.errors import Conflict, NotFound
from clozone.models.training import TrainingSession
from clozone.sessions.gradability import why_not_gradable
from clozone.sessions.metrics import measure
from clozone.sessions.rollup import changing
from clozone.sessions.timing import call_seconds
from clozone.sessions.transcript import Utterance, clean

# Of a session's `ended_reason`: Vapi knows nothing of the call.
CALL_UNKNOWN = "call-unknown-to-vapi"


def take_transcript(session_id: UUID) -> None:
    """Clean what was said and measure it; then hand the session to grading, or say why not.

    Does nothing for a session that is not waiting for this, so that a repetition changes nothing.
    """
    with changing(session_id) as session:
        if session.status != "processing" or session.transcript is not None:
            return
        turns = clean(Utterance(**fragment) for fragment in session.raw_transcript or [])
        session.transcript = [asdict(turn) for turn in turns]
        session.duration_seconds = call_seconds(turns, session.duration_seconds)
        session.metrics = measure(turns, session.duration_seconds).to_json()
        reason = why_not_gradable(turns, session.ended_reason, session.duration_seconds)
        if reason is not None:
            session.status = "not_gradable"
            session.not_gradable_reason = reason.value
            return
        enqueue("grading.grade_session", {"session_id": str(session_id)}, subject_id=session_id)


def give_up_call(session_id: UUID) -> bool:
    """Vapi knows nothing of the session's call: it failed, unless a report comes after all.

    Whether it was waiting for the call's end. Raises NotFound.
    """
    with changing(session_id) as session:
        if session.status not in ("pending", "in_progress"):
            return False
        session.status = "failed"
        session.ended_reason = CALL_UNKNOWN
    return True


def was_given_up(session: TrainingSession) -> bool:
    """Whether the session failed for want of its call only."""
    return session.status == "failed" and session.ended_reason == CALL_UNKNOWN


def try_again(session_id: UUID) -> None:
    """Take up a session that failed, at the step that it failed at.

    Raises NotFound for one that is missing or deleted, Conflict for one that has not failed.
    """
    with changing(session_id) as session:
        if session.status != "failed":
            raise Conflict(
                f"Only a failed session can be tried again; this one is {session.status}."
            )
        session.status = "processing"
        step = (
            "sessions.clean_transcript" if session.transcript is None else "grading.grade_session"
        )
        enqueue(
            step,
            {"session_id": str(session_id)},
            subject_id=session_id,
            org_id=session.org_id,
        )


def fail(job: RunningJob, _reason: str) -> None:
    """The last try of a step failed: the session says so; the job's row says why."""
    if job.subject_id is None:
        return
    with suppress(NotFound), changing(job.subject_id) as session:
        if session.status == "processing":
            session.status = "failed"


def reopen(job: RunningJob) -> None:
    """A step that had failed is taken up again: the session waits for it as before."""
    if job.subject_id is None:
        return
    with suppress(NotFound), changing(job.subject_id) as session:
        if session.status == "failed":
            session.status = "processing"
