"""Calls that the reconciler asks for by name, in turn; and sessions given up for want of a call."""

from typing import Any

SCHEMA = """
ALTER TABLE reconciliations ADD COLUMN asked_until uuid;
CREATE INDEX training_sessions_given_up ON training_sessions (updated_at)
  WHERE status = 'failed' AND ended_reason = 'call-unknown-to-vapi' AND deleted_at IS NULL;
"""


def up(migrator: Any, db: Any) -> None:
    """Add the column and the index."""
    db.execute_sql(SCHEMA)
