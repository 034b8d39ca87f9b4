"""The stream of a grading that somebody waits for."""

from collections.abc import AsyncGenerator
from time import monotonic
from uuid import UUID

from clozone.grading.schemas import JobStatus
from clozone.grading.service import job_status
from clozone.infra.postgres import OperationalError
from clozone.infra.progress import ProgressFeed
from clozone.kit.errors import Unavailable
from clozone.web.identity import Actor
from clozone.web.offload import offload
from clozone.web.sse import Event

LOOK_SECONDS = 1.0
# Then the client asks for the job's status instead; the job itself goes on.
LONGEST_STREAM_SECONDS = 600.0
_ENDED = frozenset({"succeeded", "dead", "cancelled"})


async def job_events(feed: ProgressFeed, actor: Actor, job_id: UUID) -> AsyncGenerator[Event, None]:
    """`progress` whenever the job's state changes, and `result` when it has ended.

    The job is in the ledger: a client that goes away loses nothing and pays nothing twice.
    """
    until = monotonic() + LONGEST_STREAM_SECONDS
    told: tuple[str, int] | None = None
    with feed.watch(job_id) as watch:
        while monotonic() < until:
            try:
                status = JobStatus.model_validate(await offload(job_status, actor, job_id))
            except (Unavailable, OperationalError):
                await watch.wait(LOOK_SECONDS)
                continue
            if status.state in _ENDED:
                yield Event("result", status)
                return
            if (status.state, status.attempt) != told:
                told = (status.state, status.attempt)
                yield Event("progress", status)
            await watch.wait(LOOK_SECONDS)
