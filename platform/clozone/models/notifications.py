"""Whom organisations want to be told of events, and what became of telling them."""

from peewee import BooleanField, CharField, DoubleField, IntegerField, TextField, UUIDField
from playhouse.postgres_ext import ArrayField

from clozone.models.base import Table, TimestampField, time_of_writing


class NotificationEndpoint(Table):
    """An address that an organisation wants events sent to.

    `secret` signs, so it is kept as it is; `previous_secret` signs too until its time is over.
    `disabled_reason`: requested | gone | failing; null while enabled.
    `failures`, `failing_since`, `failed_at` and `open_until` are the state of its circuit breaker.
    """

    org_id = UUIDField()
    url = TextField()
    description = TextField(default="")
    events = ArrayField(TextField)
    enabled = BooleanField(default=True)
    disabled_reason = CharField(max_length=16, null=True)
    disabled_at = TimestampField(null=True)
    secret = TextField()
    previous_secret = TextField(null=True)
    previous_secret_expires_at = TimestampField(null=True)
    failures = IntegerField(default=0)
    failing_since = TimestampField(null=True)
    failed_at = TimestampField(null=True)
    open_until = TimestampField(null=True)
    created_by = UUIDField()
    created_at = time_of_writing()
    updated_at = time_of_writing()

    class Meta:
        table_name = "notification_endpoints"


class NotificationDelivery(Table):
    """A message on its way to one endpoint. state: pending → delivered | failed.

    The message's id and body stay the same, whenever and however often it is sent. Sending it again
    by hand begins a new series of attempts; a job of an older series finds that and does nothing.
    Pending without `next_attempt_at` it is held back by its endpoint's open circuit, and has no job.
    """

    org_id = UUIDField()
    endpoint_id = UUIDField()
    message_id = TextField()
    type = TextField()
    body = TextField()
    state = CharField(max_length=16, default="pending")
    series = IntegerField(default=1)
    series_began_at = time_of_writing()
    failures = IntegerField(default=0)
    next_attempt_at = TimestampField(null=True)
    error = TextField(null=True)
    created_at = time_of_writing()
    finished_at = TimestampField(null=True)

    class Meta:
        table_name = "notification_deliveries"


class NotificationAttempt(Table):
    """One sending of a message. outcome: sending → delivered | failed | lost (the worker died)."""

    org_id = UUIDField()
    delivery_id = UUIDField()
    series = IntegerField()
    outcome = CharField(max_length=16, default="sending")
    error = CharField(max_length=32, null=True)
    http_status = IntegerField(null=True)
    response = TextField(null=True)
    ms = DoubleField(null=True)
    started_at = time_of_writing()
    finished_at = TimestampField(null=True)

    class Meta:
        table_name = "notification_attempts"
