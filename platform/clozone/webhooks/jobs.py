"""Jobs of the inbox."""

from uuid import UUID

from clozone.jobs.kinds import RunningJob, job
from clozone.webhooks import inbox, processing


def _bury(job: RunningJob, reason: str) -> None:
    inbox.settle(UUID(job.payload["event_id"]), "dead", reason, None)


def _reopen(job: RunningJob) -> None:
    inbox.revive(UUID(job.payload["event_id"]))


@job("webhooks.process_event", after_death=_bury, before_revival=_reopen)
def process_event(job: RunningJob) -> None:
    """Apply one stored delivery to its session."""
    event_id = UUID(job.payload["event_id"])
    update = processing.read(event_id)
    if update is None:
        return
    with job.completing():
        processing.process(event_id, update)
