"""What became of each call's recording; and what the reconciler found and healed."""

from typing import Any

SCHEMA = """
ALTER TABLE training_sessions
  ADD COLUMN recording_state varchar(16) NOT NULL DEFAULT 'none'
    CHECK (recording_state IN ('none', 'waiting', 'stored', 'failed')),
  ADD COLUMN recording_error text,
  ADD COLUMN recording_bytes bigint,
  ADD COLUMN recording_content_type text;
-- Few at any time: those whose call or grading is not over.
CREATE INDEX training_sessions_unsettled ON training_sessions (created_at)
  WHERE status IN ('pending', 'in_progress', 'processing') AND deleted_at IS NULL;

CREATE TABLE reconciliations (
  id uuid PRIMARY KEY,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  since timestamptz NOT NULL,
  calls_seen_until timestamptz,
  dry_run boolean NOT NULL,
  checked jsonb NOT NULL,
  found jsonb NOT NULL,
  healed jsonb NOT NULL,
  errors jsonb NOT NULL
);
CREATE INDEX reconciliations_started ON reconciliations (started_at DESC);
ALTER TABLE reconciliations ENABLE ROW LEVEL SECURITY;
ALTER TABLE reconciliations FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON reconciliations TO clozone_platform USING (true) WITH CHECK (true);
"""


def up(migrator: Any, db: Any) -> None:
    """Add the columns and the table. The latter is the installation's: no organisation sees it."""
    db.execute_sql(SCHEMA)
