"""Jobs of the inbox."""

from uuid import UUID

from clozone.jobs.kinds import RunningJob, job
from clozone.webhooks import inbox, processing


def _bury(job: RunningJob, reason: str) -> None:
    # What another job has done meanwhile stays done.
    event_id = UUID(job.payload["event_id"])
    if inbox.claim(event_id):
        inbox.settle(event_id, "dead", reason, None)


def _reopen(job: RunningJob) -> None:
    inbox.revive(UUID(job.payload["event_id"]))


@job(inbox.PROCESSING, after_death=_bury, before_revival=_reopen)
def process_event(job: RunningJob) -> None:
    """Apply one stored delivery to its session."""
    event_id = UUID(job.payload["event_id"])
    update = processing.read(event_id)
    if update is None:
        return
    with job.completing():
        processing.process(event_id, update)
