"""Messages held back by an open circuit are found without reading the endpoint's whole log."""

from typing import Any

SCHEMA = """
CREATE INDEX notification_deliveries_held
  ON notification_deliveries (endpoint_id, series_began_at)
  WHERE state = 'pending' AND next_attempt_at IS NULL;
"""


def up(migrator: Any, db: Any) -> None:
    """Add the index."""
    db.execute_sql(SCHEMA)
