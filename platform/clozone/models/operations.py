"""The inbox, the job ledger and the model's account book."""

from uuid import UUID

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    DateField,
    DoubleField,
    IntegerField,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import ArrayField, BinaryJSONField

from clozone.models.base import Row, Table, TimestampField, time_of_writing


class WebhookEvent(Table):
    """The inbox: each accepted delivery, as it came. state: received → processed | ignored | dead."""

    org_id = UUIDField(null=True)
    provider = CharField(max_length=16, default="vapi")
    call_id = TextField(null=True)
    message_type = TextField()
    dedupe_key = BlobField()
    headers = BinaryJSONField(default=dict)
    body = BlobField()
    state = CharField(max_length=16, default="received")
    reason = TextField(null=True)
    session_id = UUIDField(null=True)
    deliveries = IntegerField(default=1)
    request_id = TextField(null=True)
    received_at = time_of_writing()
    last_delivered_at = time_of_writing()
    processed_at = TimestampField(null=True)

    class Meta:
        table_name = "webhook_events"


class Job(Table):
    """One piece of work.

    state: scheduled → queued → running → succeeded | retrying → queued … | dead | cancelled.
    `attempt` is the fencing number: what a try changes, it changes only while the number is its own.
    """

    org_id = UUIDField(null=True)
    # The organisation, or the platform (0), in whose turn it is taken. `org_id` says whose rows.
    turn_of = UUIDField(default=UUID(int=0))
    kind = TextField()
    queue = CharField(max_length=16)
    payload = BinaryJSONField(default=dict)
    subject_id = UUIDField(null=True)
    dedupe_key = TextField(null=True)
    state = CharField(max_length=16, default="queued")
    run_at = time_of_writing()
    priority = SmallIntegerField(default=0)
    attempt = IntegerField(default=0)
    failures = IntegerField(default=0)
    lost = IntegerField(default=0)
    max_attempts = SmallIntegerField(default=3)
    lease_owner = TextField(null=True)
    lease_expires_at = TimestampField(null=True)
    claimed_at = TimestampField(null=True)
    cancel_requested_at = TimestampField(null=True)
    cancel_reason = TextField(null=True)
    progress = BinaryJSONField(null=True)
    last_error = TextField(null=True)
    error_fingerprint = TextField(null=True)
    result = BinaryJSONField(null=True)
    request_id = TextField(null=True)
    created_at = time_of_writing()
    started_at = TimestampField(null=True)
    finished_at = TimestampField(null=True)

    class Meta:
        table_name = "jobs"
        only_save_dirty = True


class JobAttempt(Row):
    """One try of a job that has ended: succeeded | failed | lost | released | cancelled."""

    job_id = UUIDField()
    org_id = UUIDField(null=True)
    attempt = IntegerField()
    worker = TextField()
    outcome = CharField(max_length=16)
    error = TextField(null=True)
    started_at = time_of_writing()
    finished_at = TimestampField(null=True)

    class Meta:
        table_name = "job_attempts"
        primary_key = CompositeKey("job_id", "attempt")


class JobControl(Row):
    """What an operator says about `all` jobs, a queue or a kind: stop taking them, or how many."""

    name = TextField(primary_key=True)
    paused = BooleanField(default=False)
    max_running = IntegerField(null=True)
    reason = TextField(null=True)
    updated_at = time_of_writing()

    class Meta:
        table_name = "job_controls"


class RecurringJob(Row):
    """When a kind of job that comes back is due next."""

    name = TextField(primary_key=True)
    next_at = TimestampField()

    class Meta:
        table_name = "recurring_jobs"


class LlmCall(Table):
    """One call to a model. state: reserved → settled | failed; cached ones cost nothing.

    `cost_microdollars` is null while reserved and for a model without a known price.
    """

    org_id = UUIDField()
    session_id = UUIDField(null=True)
    job_id = UUIDField(null=True)
    purpose = TextField()
    model = TextField()
    state = CharField(max_length=16, default="reserved")
    cache_key = BlobField()
    prompt_tokens = IntegerField(null=True)
    cached_tokens = IntegerField(null=True)
    completion_tokens = IntegerField(null=True)
    reasoning_tokens = IntegerField(null=True)
    price = BinaryJSONField(null=True)
    reserved_microdollars = BigIntegerField(default=0)
    budget_ids = ArrayField(UUIDField, default=list)
    cost_microdollars = BigIntegerField(null=True)
    latency_ms = DoubleField(null=True)
    error = TextField(null=True)
    request_id = TextField(null=True)
    created_at = time_of_writing()
    settled_at = TimestampField(null=True)

    class Meta:
        table_name = "llm_calls"


class LlmCacheEntry(Row):
    """An answer already paid for, by organisation and content hash."""

    org_id = UUIDField()
    cache_key = BlobField()
    llm_call_id = UUIDField()
    model = TextField()
    content = TextField()
    created_at = time_of_writing()

    class Meta:
        table_name = "llm_cache"
        primary_key = CompositeKey("org_id", "cache_key")


class Budget(Table):
    """A hard cap on what models may cost; `org_id` null is the whole installation's."""

    org_id = UUIDField(null=True)
    period = CharField(max_length=8)
    cap_microdollars = BigIntegerField()
    created_at = time_of_writing()
    updated_at = time_of_writing()

    class Meta:
        table_name = "budgets"


class BudgetWindow(Row):
    """What was spent and is reserved of a budget in one day or month (UTC).

    `exhausted_at` is when a call was refused for want of room for the first time.
    """

    budget_id = UUIDField()
    org_id = UUIDField(null=True)
    starts_on = DateField()
    reserved_microdollars = BigIntegerField(default=0)
    spent_microdollars = BigIntegerField(default=0)
    exhausted_at = TimestampField(null=True)

    class Meta:
        table_name = "budget_windows"
        primary_key = CompositeKey("budget_id", "starts_on")


class PriceOverride(Table):
    """An operator's price of a model, in micro-dollars per million tokens, from a day on."""

    model = TextField()
    effective_from = DateField()
    input_microdollars = BigIntegerField()
    cached_input_microdollars = BigIntegerField()
    output_microdollars = BigIntegerField()
    created_at = time_of_writing()

    class Meta:
        table_name = "price_overrides"


class DailyStat(Row):
    """The rollup, as running totals: all that was done up to and including a day (UTC).

    Of four grains: one person or everyone, by one template or every template; the ids that stand
    for all are in `sessions.rollup`. A row stands for each day on which something of its grain
    changed. Whole numbers only, so that taking a contribution back leaves exactly what was there
    before. `score_totals[s + 1]` counts the sessions with final score s, which makes percentiles
    exact.
    """

    org_id = UUIDField()
    user_id = UUIDField()
    template_id = UUIDField()
    day = DateField()
    sessions = BigIntegerField(default=0)
    graded = BigIntegerField(default=0)
    passed = BigIntegerField(default=0)
    not_gradable = BigIntegerField(default=0)
    closed_won = BigIntegerField(default=0)
    score_sum = BigIntegerField(default=0)
    duration_ms = BigIntegerField(default=0)
    talk_ratio_permille = BigIntegerField(default=0)
    talk_ratio_sessions = BigIntegerField(default=0)
    call_cost_microdollars = BigIntegerField(default=0)
    score_totals = ArrayField(IntegerField, default=lambda: [0] * 101)

    class Meta:
        table_name = "daily_stats"
        primary_key = CompositeKey("org_id", "user_id", "template_id", "day")
