"""The job that makes a scorecard."""

from uuid import UUID

from clozone.exports import service
from clozone.exports.composition import scorecard_of
from clozone.exports.scorecard import render_scorecard
from clozone.infra.object_storage import object_storage
from clozone.infra.postgres import unit_of_work
from clozone.jobs.kinds import RunningJob, job
from clozone.kit.errors import NotFound


def _give_up(running: RunningJob, _reason: str) -> None:
    service.give_up_scorecard(UUID(running.payload["session_id"]), running.id)


@job(service.RENDER_SCORECARD, after_death=_give_up)
def render(running: RunningJob) -> None:
    """Make the scorecard of the session in the payload, unless it is there or the session is gone."""
    with unit_of_work():
        order = service.begin_scorecard(UUID(running.payload["session_id"]))
    if order is None:
        return
    pdf = render_scorecard(scorecard_of(order.facts))
    stored = object_storage().put(order.object_key, pdf, service.PDF)
    try:
        with running.completing():
            service.finish_scorecard(order, stored.size)
    except NotFound:
        # Deleted after we began: its files may have been erased before this one was written.
        object_storage().delete(order.object_key)
