"""The JSON of /api/sessions."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from clozone.kit.pagination import PageQuery
from clozone.sessions.metrics import CallMetrics
from clozone.sessions.transcript import Turn
from clozone.web.schema import RequestModel, ResponseModel

Status = Literal["pending", "in_progress", "processing", "completed", "not_gradable", "failed"]
ExportState = Literal["queued", "ready", "failed"]
JobState = Literal["scheduled", "queued", "running", "retrying", "succeeded", "dead", "cancelled"]

_YEARS = range(1970, 9999)
_MOMENT = "should be a date (2026-01-31) or a time with its zone (2026-01-31T09:00:00Z)"


def _moment(text: str, *, whole_day: bool) -> datetime:
    """A date as the start of that day, or of the next with `whole_day`; a time as it is."""
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-01-31") else None
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_MOMENT) from None
    if moment.year not in _YEARS or (day is None and moment.tzinfo is None):
        raise ValueError(_MOMENT)
    if day is None:
        return moment.astimezone(UTC)
    return moment.replace(tzinfo=UTC) + timedelta(days=1 if whole_day else 0)


def _start(text: str) -> datetime:
    return _moment(text, whole_day=False)


def _end(text: str) -> datetime:
    return _moment(text, whole_day=True)


_DATE_OR_TIME = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "format": "date"},
            {"type": "string", "format": "date-time"},
        ]
    }
)


class SessionStart(RequestModel):
    """What is to be practised."""

    template_id: UUID
    assignment_id: UUID | None = None


class SessionQuery(PageQuery):
    """Which sessions to list. All conditions given must hold."""

    status: Status | None = None
    user_id: UUID | None = None
    template_id: UUID | None = None
    assignment_id: UUID | None = None
    closed: bool | None = Field(None, description="Whether the rep closed the deal, as reported.")
    submitted_for_review: bool | None = None
    created_from: Annotated[datetime, BeforeValidator(_start), _DATE_OR_TIME] | None = Field(
        None, alias="from", description="Created at this time or later; a date means its start."
    )
    created_to: Annotated[datetime, BeforeValidator(_end), _DATE_OR_TIME] | None = Field(
        None, alias="to", description="Created before this time; a date includes that whole day."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.created_from and self.created_to and self.created_from > self.created_to:
            raise ValueError("has `from` later than `to`")
        return self


class SessionChange(RequestModel):
    """What to change; what is left out stays. `closed: null` takes the report back."""

    closed: bool | None = None
    submitted_for_review: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("should give `closed`, `submitted_for_review` or both")
        return self


class CallMetadata(ResponseModel):
    """What Vapi hands back in its webhooks, so that the call finds its session."""

    session_id: UUID
    org_id: UUID
    user_id: UUID
    template_id: UUID
    assignment_id: UUID | None


class AssistantOverrides(ResponseModel):
    """The second argument of `vapi.start()`, in Vapi's own names.

    `firstMessage` is left out where the template has none: null would override the assistant's.
    """

    metadata: CallMetadata
    variable_values: dict[str, str] = Field(serialization_alias="variableValues")
    first_message: str | None = Field(
        None, serialization_alias="firstMessage", exclude_if=lambda message: message is None
    )


class VapiCall(ResponseModel):
    """What the browser needs: `new Vapi(public_key).start(assistant_id, assistant_overrides)`.

    `public_key` and `assistant_id` are null where neither the template nor the installation has one.
    """

    public_key: str | None
    assistant_id: str | None
    assistant_overrides: AssistantOverrides
    metadata: CallMetadata


class StartedSession(ResponseModel):
    """A new session, and how to begin its call."""

    id: UUID
    status: Status
    created_at: datetime
    vapi: VapiCall


class SessionItem(ResponseModel):
    """A session in a list. `score` and `passed` are what counts: a manager's override, if any."""

    id: UUID
    status: Status
    not_gradable_reason: str | None
    user_id: UUID
    user_name: str
    template_id: UUID | None
    template_name: str | None
    assignment_id: UUID | None
    score: int | None
    ai_score: int | None
    passed: bool | None
    duration_seconds: float | None
    closed: bool | None
    submitted_for_review: bool
    started_at: datetime | None
    ended_at: datetime | None
    created_at: datetime


class Quote(ResponseModel):
    """The rep's own words. `start`: seconds from the start of the call."""

    turn: int
    text: str
    start: float | None = None


class UnsupportedQuote(ResponseModel):
    """Words the model quoted that are not the rep's, and why they do not count."""

    turn: int
    text: str
    reason: str


class GradedItem(ResponseModel):
    """One thing that was looked for; `unsupported` when it was claimed without a quote that holds."""

    key: str
    text: str
    observed: bool
    unsupported: bool
    note: str
    quotes: list[Quote]
    unsupported_quotes: list[UnsupportedQuote]


class GradedCriterion(ResponseModel):
    """What a criterion earned of its weight."""

    key: str
    name: str
    kind: Literal["checklist", "scale", "yes_no", "compliance"]
    weight: int
    points: float
    level: int | None
    unsupported: bool
    items: list[GradedItem]


class Blocker(ResponseModel):
    """A rule that was broken: the call fails whatever the score."""

    key: str
    name: str
    rule: Literal["must_say", "must_not_say"]
    quotes: list[Quote]


class BetterLine(ResponseModel):
    """A line of the rep's, and how to say it better."""

    turn: int
    said: str
    better: str


class Grade(ResponseModel):
    """The grade, with the words that earned it.

    `score` and `passed` are what counts, `ai_score` is the machine's. `previous_score` is that of
    the rep's last graded call with the same template before this one.
    """

    score: int
    ai_score: int
    override_score: int | None
    passed: bool
    pass_score: int
    previous_score: int | None
    blockers: list[Blocker]
    criteria: list[GradedCriterion]
    summary: str
    strengths: list[str]
    next_steps: list[str]
    better_lines: list[BetterLine]
    language: str
    model: str
    prompt_version: str
    rubric_id: UUID
    created_at: datetime


class CallFacts(ResponseModel):
    """What Vapi told about the call. The cost is shown to managers only."""

    vapi_call_id: str | None
    ended_reason: str | None
    summary: str | None
    cost_microdollars: int | None
    has_recording: bool


class Review(ResponseModel):
    """A manager's word on the session."""

    id: UUID
    reviewer_id: UUID
    reviewer_name: str
    comment: str
    override_score: int | None
    created_at: datetime


class PipelineStep(ResponseModel):
    """A job on the session. `last_error` is shown to managers only."""

    id: UUID
    kind: str
    state: JobState
    attempt: int
    last_error: str | None
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class SessionExport(ResponseModel):
    """A file made from the session; `GET /api/exports/{id}` has the link to it."""

    id: UUID
    kind: str
    state: ExportState
    size_bytes: int | None
    created_at: datetime
    ready_at: datetime | None


class SessionDetail(SessionItem):
    """Everything about a session."""

    call: CallFacts
    transcript: list[Turn] | None
    metrics: CallMetrics | None
    grade: Grade | None
    reviews: list[Review]
    pipeline: list[PipelineStep]
    exports: list[SessionExport]


class Step(ResponseModel):
    """How far a job is."""

    kind: str
    state: JobState
    attempt: int


class SessionProgress(ResponseModel):
    """Where a session stands. `finished`: nothing more will happen by itself."""

    session_id: UUID
    status: Status
    not_gradable_reason: str | None
    score: int | None
    passed: bool | None
    steps: list[Step]
    scorecard: ExportState | None
    finished: bool
