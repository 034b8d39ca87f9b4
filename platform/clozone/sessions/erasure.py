"""Deleting a session: its content goes everywhere, a tombstone stays.

The row keeps who practised what and when, and the call's id, so that a late webhook finds that the
session is gone. What was said, and everything made from it, is removed: transcript, grade with its
quotes, reviews, files, the model's cached answers and the bodies in the inbox. The account of what
the model's calls cost holds no content and stays.
"""

from datetime import timedelta
from uuid import UUID

from clozone.accounts.audit import record
from clozone.infra.object_storage import object_storage, recording_key
from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.jobs.kinds import RunningJob
from clozone.kit.clock import now
from clozone.models.training import Export, SessionGrade, SessionReview, TrainingSession
from clozone.sessions.rollup import changing
from clozone.web.identity import Actor

KIND = "sessions.erase_objects"
# A job that was at work on the session while it was deleted may leave traces; by then it has ended.
SECOND_PASS = timedelta(hours=1)

CONTENT = (
    "not_gradable_reason",
    "ended_reason",
    "started_at",
    "ended_at",
    "duration_seconds",
    "scenario",
    "raw_transcript",
    "transcript",
    "metrics",
    "call_summary",
    "call_cost_microdollars",
    "call_cost_breakdown",
    "recording_url",
    "recording_url_expires_at",
    "recording_key",
    "recording_error",
    "recording_bytes",
    "recording_content_type",
    "closed",
)


def delete_session(actor: Actor, session_id: UUID) -> None:
    """Delete a session; its objects go by a job. Raises NotFound, also the second time."""
    with changing(session_id) as session:
        keys = _object_keys(session)
        for made_from_it in (SessionReview, SessionGrade, Export):
            made_from_it.delete().where(made_from_it.session_id == session_id).execute()
        emptied = dict.fromkeys(CONTENT) | {
            "submitted_for_review": False,
            "recording_state": "none",
            "deleted_at": now(),
        }
        for field, value in emptied.items():
            setattr(session, field, value)
    record(actor, "session.deleted", "session", session_id)
    for run_at in (now(), now() + SECOND_PASS):
        enqueue(KIND, {"object_keys": keys}, subject_id=session_id, run_at=run_at)


def erase_objects(job: RunningJob) -> None:
    """The handler of `sessions.erase_objects`: whatever the session left outside its own rows."""
    if job.subject_id is None:
        return
    with unit_of_work(Scope.platform()):
        erase_traces(job.subject_id)
    for key in job.payload["object_keys"]:
        object_storage().delete(key)


def erase_traces(session_id: UUID) -> None:
    """Empty the model's cache and the inbox of what a deleted session said. Needs platform scope.

    Events that are not processed yet keep their body until the second pass: it says whose they are.
    """
    parameters = {"id": session_id}
    database.execute_sql(
        """
        DELETE FROM llm_cache USING llm_calls, training_sessions s
        WHERE s.id = %(id)s AND s.deleted_at IS NOT NULL AND llm_calls.session_id = s.id
          AND llm_cache.org_id = llm_calls.org_id AND llm_cache.cache_key = llm_calls.cache_key""",
        parameters,
    )
    database.execute_sql(
        """
        UPDATE webhook_events SET body = '', headers = '{}' FROM training_sessions s
        WHERE s.id = %(id)s AND s.deleted_at IS NOT NULL AND state <> 'received'
          AND (webhook_events.session_id = s.id OR webhook_events.call_id = s.vapi_call_id)""",
        parameters,
    )


def _object_keys(session: TrainingSession) -> list[str]:
    files = Export.select(Export.object_key).where(Export.session_id == session.id)
    keys = [session.recording_key, *(file.object_key for file in files)]
    if session.recording_state == "waiting":
        # It may be on its way at this moment.
        keys.append(recording_key(session.org_id, session.id))
    return [key for key in keys if key]
