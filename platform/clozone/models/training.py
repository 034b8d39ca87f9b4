"""What is practised, and the calls in which it was."""

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    DoubleField,
    IntegerField,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import BinaryJSONField

from clozone.models.base import Table, TimestampField, time_of_writing


class Template(Table):
    """A practice scenario. Its rubric changes by pointing at a new Rubric row."""

    org_id = UUIDField(column_name="org")
    user_id = UUIDField()
    rubric_id = UUIDField()
    name = TextField()
    description = TextField(default="")
    scenario = TextField()
    first_message = TextField(default="")
    vapi_assistant_id = TextField(null=True)
    archived_at = TimestampField(null=True)
    created_at = time_of_writing()
    updated_at = time_of_writing()

    class Meta:
        table_name = "templates"


class Rubric(Table):
    """One immutable version of a template's rubric; sessions and grades point at it."""

    org_id = UUIDField()
    template_id = UUIDField()
    version = IntegerField()
    body = BinaryJSONField()
    content_hash = BlobField()
    created_at = time_of_writing()

    class Meta:
        table_name = "rubrics"


class Assignment(Table):
    """A manager asks a rep to practise a template."""

    org_id = UUIDField()
    template_id = UUIDField()
    user_id = UUIDField()
    created_by = UUIDField()
    title = TextField()
    instructions = TextField(default="")
    due_at = TimestampField(null=True)
    target_score = SmallIntegerField(null=True)
    completed_at = TimestampField(null=True)
    archived_at = TimestampField(null=True)
    created_at = time_of_writing()
    updated_at = time_of_writing()

    class Meta:
        table_name = "assignments"


class TrainingSession(Table):
    """One practice call.

    status: pending (not called yet) → in_progress → processing → completed | not_gradable | failed.
    Rubric and scenario are those of its start, whatever becomes of the template.
    recording_state: none (told of none) → waiting → stored | failed, with `recording_error`.
    `closed` says whether the rep closed the deal; null while nobody has said.
    A deleted session keeps its row (`deleted_at`) without its content, so that a late webhook
    cannot bring it back.
    """

    org_id = UUIDField()
    user_id = UUIDField()
    template_id = UUIDField(null=True)
    assignment_id = UUIDField(null=True)
    rubric_id = UUIDField(null=True)
    scenario = TextField(null=True)
    vapi_call_id = TextField(null=True)
    status = CharField(max_length=16, default="pending")
    not_gradable_reason = TextField(null=True)
    ended_reason = TextField(null=True)
    started_at = TimestampField(null=True)
    ended_at = TimestampField(null=True)
    duration_seconds = DoubleField(null=True)
    raw_transcript = BinaryJSONField(null=True)
    transcript = BinaryJSONField(null=True)
    metrics = BinaryJSONField(null=True)
    call_summary = TextField(null=True)
    call_cost_microdollars = BigIntegerField(null=True)
    call_cost_breakdown = BinaryJSONField(null=True)
    recording_url = TextField(null=True)
    recording_url_expires_at = TimestampField(null=True)
    recording_state = CharField(max_length=16, default="none")
    recording_error = TextField(null=True)
    recording_key = TextField(null=True)
    recording_bytes = BigIntegerField(null=True)
    recording_content_type = TextField(null=True)
    closed = BooleanField(null=True)
    submitted_for_review = BooleanField(default=False)
    created_at = time_of_writing()
    updated_at = time_of_writing()
    deleted_at = TimestampField(null=True)

    class Meta:
        table_name = "training_sessions"


class SessionGrade(Table):
    """The grade of a session, with everything it was made from.

    `score` is the machine's; `override_score` a manager's; the final one is the latter if given.
    """

    org_id = UUIDField()
    session_id = UUIDField()
    user_id = UUIDField()
    template_id = UUIDField()
    rubric_id = UUIDField()
    score = SmallIntegerField()
    passed = BooleanField()
    blockers = BinaryJSONField(default=list)
    criteria = BinaryJSONField()
    evidence = BinaryJSONField()
    summary = TextField(default="")
    strengths = BinaryJSONField(default=list)
    next_steps = BinaryJSONField(default=list)
    better_lines = BinaryJSONField(default=list)
    language = TextField(default="")
    model = TextField()
    prompt_version = TextField()
    llm_call_id = UUIDField(null=True)
    override_score = SmallIntegerField(null=True)
    created_at = time_of_writing()
    updated_at = time_of_writing()

    class Meta:
        table_name = "session_grades"


class SessionReview(Table):
    """A manager's word on a session; the latest one counts, all are kept."""

    org_id = UUIDField()
    session_id = UUIDField()
    reviewer_id = UUIDField()
    comment = TextField()
    override_score = SmallIntegerField(null=True)
    created_at = time_of_writing()

    class Meta:
        table_name = "session_reviews"


class Export(Table):
    """A file made from a session. state: queued → ready | failed."""

    org_id = UUIDField()
    session_id = UUIDField()
    kind = CharField(max_length=32, default="scorecard_pdf")
    content_hash = BlobField()
    state = CharField(max_length=16, default="queued")
    object_key = TextField(null=True)
    size_bytes = BigIntegerField(null=True)
    error = TextField(null=True)
    created_at = time_of_writing()
    ready_at = TimestampField(null=True)

    class Meta:
        table_name = "exports"
