"""Finding the deliveries that died, or wait too long, among millions that did their work."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Two small indexes. While they are built, webhooks wait in the spool."""
    db.execute_sql("""
        CREATE INDEX webhook_events_unsettled ON webhook_events (received_at, id)
          WHERE state IN ('received', 'dead');
        CREATE INDEX webhook_events_org ON webhook_events (org_id, received_at)
          WHERE org_id IS NOT NULL;
    """)
