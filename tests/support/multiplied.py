"""Organisations with so many rows in every growing table that a sequential scan would be wrong."""

import psycopg
from tests.support.tenant import Tenant

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.settings import Settings

ROWS = 1_500
_PASSED = "now() - n * interval '1 hour'"

# Table → what differs from the row that it is copied from, as pairs for jsonb_build_object.
GROWING = {
    "profiles": "'email', n || '@' || t.id || '.example'",
    "templates": "'updated_at', now()",
    "assignments": "'updated_at', now()",
    "training_sessions": "'vapi_call_id', n || 'c' || t.id, 'updated_at', " + _PASSED,
    "session_grades": f"'session_id', s.id, 'updated_at', {_PASSED}",
    "session_reviews": "'session_id', s.id",
    "exports": "'session_id', s.id",
    "webhook_events": "'call_id', n || 'e' || t.id, 'dedupe_key', '\\x' || md5(n || 'e' || t.id), "
    f"'session_id', uuidv7(), 'received_at', {_PASSED}",
    "jobs": f"'subject_id', uuidv7(), 'finished_at', {_PASSED}",
    "job_attempts": "'job_id', j.id",
    "llm_calls": "'session_id', uuidv7(), 'cache_key', '\\x' || md5(n || 'l' || t.id)",
    "audit_log": "'target_id', uuidv7()",
    "notification_deliveries": f"'message_id', 'msg' || n || t.id, 'finished_at', {_PASSED}",
}
# What stands for another table's rows in a difference, each copy getting the next of them.
_JOINED = {"s.id": "training_sessions s", "j.id": "jobs j"}


def multiply(tenants: list[Tenant], settings: Settings) -> None:
    """Give each of `tenants` ROWS more rows like its own one in each of the GROWING tables."""
    for tenant in tenants:
        add_copies(tenant, ROWS, GROWING)
    owner = settings.database_migrate_url
    assert owner is not None
    with psycopg.connect(owner.get_secret_value(), autocommit=True) as connection:
        connection.execute("ANALYZE")


def add_copies(tenant: Tenant, rows: int, tables: dict[str, str]) -> None:
    """Give `tenant` so many more rows like its own one in each of `tables`, told as in GROWING."""
    with unit_of_work(Scope.platform()):
        for table, differs in tables.items():
            database.execute_sql(_copies(table, differs), {"org": tenant.org_id, "rows": rows})


def _copies(table: str, differs: str) -> str:
    column = "org" if table == "templates" else "org_id"
    joined = next((_JOINED[name] for name in _JOINED if f", {name}" in differs), None)
    numbers = (
        f"(SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM {joined.split()[0]} "
        f"WHERE org_id = %(org)s) AS {joined.split()[1]}"
        if joined
        else "generate_series(1, %(rows)s) AS n"
    )
    return f"""
INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object(
  'id', uuidv7(), 'created_at', {_PASSED}, {differs}))).*
FROM {table} t, {numbers} WHERE n <= %(rows)s
  AND t.ctid = (SELECT ctid FROM {table} WHERE {column} = %(org)s LIMIT 1)
"""
