"""Grading on request, reviews, and the jobs behind them."""

from typing import Any, cast
from uuid import UUID

from quart import Blueprint, current_app, request

from clozone.grading import service
from clozone.grading.events import job_events
from clozone.grading.schemas import (
    AcceptedJob,
    JobStatus,
    NewReview,
    ReviewAnswer,
    TranscriptToGrade,
)
from clozone.infra.progress import ProgressFeed
from clozone.kit.errors import Conflict, NotFound
from clozone.llm.budget import refuse_without_room
from clozone.llm.errors import BudgetExhausted
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, on_database_thread
from clozone.web.operation import Raw, operation
from clozone.web.sse import MEDIA_TYPE, event_stream

blueprint = Blueprint("grading", __name__, url_prefix="/api")


@blueprint.post("/analytics/grade-transcript")
@operation(
    allow=Role.rep,
    body=TranscriptToGrade,
    returns={202: AcceptedJob, 200: Raw(MEDIA_TYPE)},
    errors=(NotFound, BudgetExhausted),
    limit="strict",
)
async def grade_transcript(actor: Actor, body: TranscriptToGrade) -> Any:
    """Grade a transcript that is not a session's.

    Answers at once with a job to ask after. With `Accept: text/event-stream` it answers with the
    job's progress instead, and its result at the end; going away meanwhile loses nothing.
    """
    await on_database_thread(refuse_without_room, actor.org_id)
    job_id = await offload(service.request_transcript_grade, actor, body)
    status_url = f"/api/jobs/{job_id}"
    if request.accept_mimetypes.best_match(["application/json", MEDIA_TYPE]) == MEDIA_TYPE:
        feed = cast(ProgressFeed, current_app.extensions["progress"])
        return event_stream(job_events(feed, actor, job_id))
    return AcceptedJob(job_id=job_id, status_url=status_url), {"Location": status_url}


@blueprint.get("/jobs/<uuid:job_id>")
@operation(allow=Role.rep, returns={200: JobStatus}, errors=(NotFound,))
async def read_job(actor: Actor, job_id: UUID) -> Any:
    """Read how a job gets on, and its result if it has one.

    Reps see the jobs that they asked for and those of their own sessions.
    """
    return await offload(service.job_status, actor, job_id)


@blueprint.post("/sessions/<uuid:session_id>/review")
@operation(
    allow=Role.manager,
    body=NewReview,
    returns={201: ReviewAnswer},
    errors=(NotFound, Conflict),
)
async def review_session(actor: Actor, session_id: UUID, body: NewReview) -> Any:
    """Review a session: a comment and, if need be, another score.

    The override replaces the machine's score in lists and analytics; both stay on record, and a
    new scorecard is made.
    """
    return await offload(service.review, actor, session_id, body)
