"""The stream of a session's progress."""

from collections.abc import AsyncGenerator
from time import monotonic
from uuid import UUID

from clozone.infra.postgres import OperationalError
from clozone.infra.progress import ProgressFeed
from clozone.infra.records import Record
from clozone.kit.errors import NotFound, Unavailable
from clozone.sessions.schemas import SessionProgress
from clozone.sessions.service import read_progress
from clozone.web.identity import Actor
from clozone.web.offload import offload
from clozone.web.sse import Event

# Without news the state is read this often: news can be lost, and Redis away.
LOOK_SECONDS = 2.0
# Then the client has to come back, with a token that still holds.
LONGEST_STREAM_SECONDS = 600.0


async def session_events(
    feed: ProgressFeed, actor: Actor, session_id: UUID, first: Record
) -> AsyncGenerator[Event, None]:
    """`first` as an event, then one whenever the state differs; ends when it is finished.

    Holds no thread and no connection while it waits. Ends early when the session is deleted.
    """
    until = monotonic() + LONGEST_STREAM_SECONDS
    with feed.watch(session_id) as watch:
        told = SessionProgress.model_validate(first)
        yield Event("progress", told)
        while not told.finished and monotonic() < until:
            # The first look does not wait: something may have happened since `first` was read.
            try:
                state = SessionProgress.model_validate(
                    await offload(read_progress, actor, session_id)
                )
            except NotFound:
                return
            except (Unavailable, OperationalError):
                state = told
            if state != told:
                told = state
                yield Event("progress", told)
            else:
                await watch.wait(LOOK_SECONDS)
