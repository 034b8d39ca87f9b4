"""A list of sessions filtered by its person, template, assignment, state (other than completed), a
closed deal or its review starts at its place in an index; dead jobs and failed sessions are found
without reading those that are well. With several filters one index is walked and the others are
applied to its rows; what was not submitted for review has no index.

Indexes are built while everything else goes on, outside a transaction; broken off, the migration
begins again where it was, and what is as it should be is left. A million rows took 1.9 s for the
largest index; with 100 million sessions count on some minutes for each.
"""

from typing import Any

atomic = False

ADDED = {
    "training_sessions_template_created": """training_sessions (template_id, created_at DESC, id DESC)
      WHERE template_id IS NOT NULL""",
    "training_sessions_org_status": """training_sessions (org_id, status, created_at DESC, id DESC)
      WHERE status <> 'completed'""",
    "training_sessions_failed": """training_sessions (updated_at)
      WHERE status = 'failed' AND deleted_at IS NULL""",
    "jobs_dead": "jobs (id) WHERE state = 'dead'",
}
# By these names there are indexes over all organisations at once, in no order.
RENEWED = {
    "idx_training_sessions_assignment_id": """training_sessions
      (assignment_id, created_at DESC, id DESC) WHERE assignment_id IS NOT NULL""",
    "idx_training_sessions_closed": """training_sessions
      (org_id, closed, created_at DESC, id DESC) WHERE closed IS NOT NULL""",
    "idx_training_sessions_submitted": """training_sessions
      (org_id, created_at DESC, id DESC) WHERE submitted_for_review = true""",
}


def up(migrator: Any, db: Any) -> None:
    """Build what is missing, then let the new ones take the names of the old."""
    # Building waits for older transactions, and keeps nobody waiting meanwhile.
    db.execute_sql("SET statement_timeout = 0")
    db.execute_sql("SET lock_timeout = 0")
    try:
        for name, definition in ADDED.items():
            _build(db, name, definition)
        for name, definition in RENEWED.items():
            if _is_renewed(db, name):
                continue
            _build(db, f"{name}_new", definition)
            db.execute_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            db.execute_sql(f"ALTER INDEX {name}_new RENAME TO {name}")
    finally:
        db.execute_sql("RESET statement_timeout")
        db.execute_sql("RESET lock_timeout")


def _is_renewed(db: Any, name: str) -> bool:
    """Whether the index under this name is valid and in the order of lists: its predecessor is not."""
    return bool(
        db.execute_sql(
            """SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid
            AND pg_get_indexdef(indexrelid) LIKE %s""",
            (name, "%created_at DESC, id DESC)%"),
        ).fetchone()
    )


def _build(db: Any, name: str, definition: str) -> None:
    found = db.execute_sql(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (name,)
    ).fetchone()
    if found == (True,):
        return
    # Left behind by a build that was broken off: it is written to, but never read.
    if found is not None:
        db.execute_sql(f"DROP INDEX CONCURRENTLY {name}")
    db.execute_sql(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
