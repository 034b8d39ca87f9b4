"""Organisations, people and their credentials."""

from peewee import (
    BlobField,
    BooleanField,
    CharField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import ArrayField, BinaryJSONField

from clozone.models.base import Table, TimestampField, time_of_writing


class Organization(Table):
    """A customer: every other row belongs to one."""

    name = TextField()
    created_at = time_of_writing()

    class Meta:
        table_name = "organizations"


class Profile(Table):
    """A person. `password_hash` is null for people who sign in through another issuer."""

    org_id = UUIDField()
    email = TextField()
    full_name = TextField()
    role = CharField(max_length=16)
    password_hash = TextField(null=True)
    external_subject = TextField(null=True)
    active = BooleanField(default=True)
    created_at = time_of_writing()
    updated_at = time_of_writing()
    last_login_at = TimestampField(null=True)

    class Meta:
        table_name = "profiles"


class RefreshToken(Table):
    """One link of a rotating chain; a token used twice revokes its whole family."""

    org_id = UUIDField()
    user_id = UUIDField()
    family_id = UUIDField()
    token_hash = BlobField()
    created_at = time_of_writing()
    expires_at = TimestampField()
    used_at = TimestampField(null=True)
    revoked_at = TimestampField(null=True)

    class Meta:
        table_name = "refresh_tokens"


class ApiKey(Table):
    """A machine's credential; only its hash is kept."""

    org_id = UUIDField()
    created_by = UUIDField()
    name = TextField()
    prefix = CharField(max_length=16)
    key_hash = BlobField()
    role = CharField(max_length=16)
    scopes = ArrayField(TextField, default=list)
    created_at = time_of_writing()
    expires_at = TimestampField(null=True)
    last_used_at = TimestampField(null=True)
    revoked_at = TimestampField(null=True)

    class Meta:
        table_name = "api_keys"


class AuditEntry(Table):
    """Who changed what. Written in the transaction of the change."""

    org_id = UUIDField(null=True)
    actor_id = UUIDField(null=True)
    actor_kind = CharField(max_length=16)
    action = TextField()
    target_type = TextField()
    target_id = UUIDField(null=True)
    details = BinaryJSONField(default=dict)
    request_id = TextField(null=True)
    address = TextField(null=True)
    created_at = time_of_writing()

    class Meta:
        table_name = "audit_log"
