"""What the reconciler found and healed, run by run."""

from peewee import BooleanField, UUIDField
from playhouse.postgres_ext import BinaryJSONField

from clozone.models.base import Table, TimestampField, time_of_writing


class Reconciliation(Table):
    """One run. `checked`, `found` and `healed` are counts by class, `errors` sentences.

    Looked at was what changed from `since` on. `calls_seen_until` is the time up to which Vapi's
    list of calls was read to its end; null when it was not, or there is no key. `asked_until` is the
    last session whose call was asked for by name; the next run goes on behind it.
    """

    started_at = time_of_writing()
    finished_at = TimestampField(null=True)
    since = TimestampField()
    calls_seen_until = TimestampField(null=True)
    asked_until = UUIDField(null=True)
    dry_run = BooleanField(default=False)
    checked = BinaryJSONField(default=dict)
    found = BinaryJSONField(default=dict)
    healed = BinaryJSONField(default=dict)
    errors = BinaryJSONField(default=list)

    class Meta:
        table_name = "reconciliations"
