"""JSON of grading on request, of reviews and of jobs."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from clozone.training.rubric import Rubric
from clozone.web.schema import RequestModel, ResponseModel

MOST_TURNS = 5_000
MOST_CHARACTERS = 500_000


class SpokenTurn(RequestModel):
    """One turn of a conversation. Times are seconds from its start."""

    speaker: Literal["rep", "customer"]
    text: Annotated[str, StringConstraints(max_length=20_000)]
    start: float | None = Field(None, ge=0, allow_inf_nan=False)
    end: float | None = Field(None, ge=0, allow_inf_nan=False)


class TranscriptToGrade(RequestModel):
    """A transcript, as turns or as text with a label before each line (`AI:`, `User:`).

    It is graded by the rubric given, or by the current one of a template.
    """

    transcript: (
        Annotated[str, StringConstraints(min_length=1, max_length=MOST_CHARACTERS)]
        | Annotated[list[SpokenTurn], Field(min_length=1, max_length=MOST_TURNS)]
    )
    template_id: UUID | None = None
    rubric: Rubric | None = None

    @model_validator(mode="after")
    def _one_rubric(self) -> Self:
        if (self.template_id is None) == (self.rubric is None):
            raise ValueError("should give either `template_id` or `rubric`")
        return self


class AcceptedJob(ResponseModel):
    """The work is in the ledger; `status_url` tells how it gets on."""

    job_id: UUID
    status_url: str


class JobProgress(ResponseModel):
    """How far a running job is; `total` is null where that is not known beforehand."""

    done: int
    total: int | None
    note: str


class JobStatus(ResponseModel):
    """A piece of work. `last_error` is shown to managers only."""

    id: UUID
    kind: str
    state: Literal["scheduled", "queued", "running", "retrying", "succeeded", "dead", "cancelled"]
    attempt: int
    failures: int
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_error: str | None
    progress: JobProgress | None
    result: dict[str, Any] | None


class NewReview(RequestModel):
    """A manager's word. `override_score` replaces the machine's score; null takes that back."""

    comment: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5_000)
    ]
    override_score: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None


class ReviewAnswer(ResponseModel):
    """The review, and the scores that the session has now."""

    id: UUID
    session_id: UUID
    reviewer_id: UUID
    comment: str
    override_score: int | None
    ai_score: int | None
    score: int | None
    created_at: datetime
