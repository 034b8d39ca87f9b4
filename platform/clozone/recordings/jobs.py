"""The job that brings a recording into the object storage."""

from uuid import UUID

from clozone.infra.object_storage import object_storage
from clozone.infra.postgres import unit_of_work
from clozone.jobs.kinds import RunningJob, job
from clozone.kit.errors import NotFound
from clozone.recordings import service
from clozone.recordings.download import RecordingRefused
from clozone.recordings.fetcher import KeyRefused, Order, fetcher
from clozone.recordings.partial import Partial
from clozone.sessions.recording import FETCH


def _give_up(running: RunningJob, reason: str) -> None:
    session_id = UUID(running.payload["session_id"])
    code, told = service.UNREACHABLE, "the server could not be reached"
    if reason.startswith(KeyRefused.__name__):
        code, told = service.KEY_REFUSED, "Vapi refuses the key"
    service.record_failure(
        session_id, code, f"{told}; the last reason is with the job {running.id}"
    )
    fetcher().discard(session_id)


@job(FETCH, after_death=_give_up)
def fetch(running: RunningJob) -> None:
    """Store the recording of the session in the payload, if it waits for it."""
    session_id = UUID(running.payload["session_id"])
    if not fetcher().enabled:
        with running.completing():
            service.record_not_wanted(session_id)
        fetcher().discard(session_id)
        return
    with unit_of_work():
        order = service.begin(session_id)
    if order is None:
        # Deleted since an earlier attempt, perhaps.
        fetcher().discard(session_id)
        return
    with fetcher().partial(session_id) as partial:
        try:
            content_type = fetcher().fetch(order, partial)
        except RecordingRefused as refusal:
            with running.completing():
                service.record_failure(session_id, refusal.code, str(refusal))
        else:
            _store(running, order, partial, content_type)
        # A failed attempt leaves it to the next one.
        partial.discard()


def _store(running: RunningJob, order: Order, partial: Partial, content_type: str) -> None:
    key = service.object_key(order)
    stored = object_storage().put_file(key, partial.path, content_type)
    try:
        with running.completing():
            service.record_stored(order.session_id, stored, content_type)
    except NotFound:
        # Deleted after we began: its files may have been erased before this one was written.
        object_storage().delete(key)
