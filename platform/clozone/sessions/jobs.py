"""Jobs about sessions."""

from contextlib import suppress
from uuid import UUID

from clozone.jobs.kinds import RunningJob, job
from clozone.kit.errors import NotFound
from clozone.sessions import erasure, lifecycle


@job("sessions.clean_transcript", after_death=lifecycle.fail, before_revival=lifecycle.reopen)
def clean_transcript(job: RunningJob) -> None:
    """Turn what was said into turns and metrics."""
    # A session deleted in the meantime has nothing left to clean.
    with job.completing(), suppress(NotFound):
        lifecycle.take_transcript(UUID(job.payload["session_id"]))


job("sessions.erase_objects")(erasure.erase_objects)
