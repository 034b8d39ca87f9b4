"""The recurring job of the reconciler."""

from clozone.jobs.kinds import RunningJob, job
from clozone.reconciler.service import RUN, Run, reconciler_settings


@job(RUN)
def run(running: RunningJob) -> None:
    """Look for what was missed and mend it; the counts are kept with the job."""
    account = Run(reconciler_settings(), checkpoint=running.checkpoint).run()
    with running.completing():
        running.result = account.counts()
