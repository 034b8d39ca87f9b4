"""Outgoing notifications; and when a budget had no room for the first time in a window."""

from typing import Any

TABLES = ("notification_endpoints", "notification_deliveries", "notification_attempts")

SCHEMA = """
CREATE TABLE notification_endpoints (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  url text NOT NULL,
  description text NOT NULL,
  events text[] NOT NULL,
  enabled boolean NOT NULL,
  disabled_reason varchar(16) CHECK (disabled_reason IN ('requested', 'gone', 'failing')),
  disabled_at timestamptz,
  secret text NOT NULL,
  previous_secret text,
  previous_secret_expires_at timestamptz,
  failures integer NOT NULL,
  failing_since timestamptz,
  failed_at timestamptz,
  open_until timestamptz,
  created_by uuid NOT NULL REFERENCES profiles,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK (enabled = (disabled_reason IS NULL))
);
CREATE INDEX notification_endpoints_org_created
  ON notification_endpoints (org_id, created_at DESC, id DESC);

CREATE TABLE notification_deliveries (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  endpoint_id uuid NOT NULL REFERENCES notification_endpoints ON DELETE CASCADE,
  message_id text NOT NULL,
  type text NOT NULL,
  body text NOT NULL,
  state varchar(16) NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
  series integer NOT NULL,
  series_began_at timestamptz NOT NULL,
  failures integer NOT NULL,
  next_attempt_at timestamptz,
  error text,
  created_at timestamptz NOT NULL,
  finished_at timestamptz,
  UNIQUE (endpoint_id, message_id)
);
CREATE INDEX notification_deliveries_endpoint_created
  ON notification_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX notification_deliveries_finished ON notification_deliveries (finished_at)
  WHERE finished_at IS NOT NULL;

CREATE TABLE notification_attempts (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  delivery_id uuid NOT NULL REFERENCES notification_deliveries ON DELETE CASCADE,
  series integer NOT NULL,
  outcome varchar(16) NOT NULL CHECK (outcome IN ('sending', 'delivered', 'failed', 'lost')),
  error varchar(32),
  http_status integer,
  response text,
  ms double precision,
  started_at timestamptz NOT NULL,
  finished_at timestamptz
);
CREATE INDEX notification_attempts_delivery ON notification_attempts (delivery_id, started_at);

ALTER TABLE budget_windows ADD COLUMN exhausted_at timestamptz;
"""


def up(migrator: Any, db: Any) -> None:
    """Create the tables, and let each tenant see its own rows only."""
    db.execute_sql(SCHEMA)
    for table in TABLES:
        db.execute_sql(f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant ON {table} TO clozone_tenant
              USING (org_id = nullif(current_setting('clozone.org_id', true), '')::uuid)
              WITH CHECK (org_id = nullif(current_setting('clozone.org_id', true), '')::uuid);
            CREATE POLICY platform ON {table} TO clozone_platform USING (true) WITH CHECK (true);
        """)
