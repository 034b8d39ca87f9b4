"""The reconciler finds the grades and reviews of the last days by their time; before, it read every
grade there is.

Built while everything else goes on; broken off, it begins again (see 0009).
"""

from typing import Any

atomic = False

ADDED = {
    "session_grades_updated": "session_grades (updated_at)",
    "session_reviews_created": "session_reviews (created_at)",
}


def up(migrator: Any, db: Any) -> None:
    """Build what is missing."""
    db.execute_sql("SET statement_timeout = 0")
    db.execute_sql("SET lock_timeout = 0")
    try:
        for name, definition in ADDED.items():
            _build(db, name, definition)
    finally:
        db.execute_sql("RESET statement_timeout")
        db.execute_sql("RESET lock_timeout")


def _build(db: Any, name: str, definition: str) -> None:
    found = db.execute_sql(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (name,)
    ).fetchone()
    if found == (True,):
        return
    if found is not None:
        db.execute_sql(f"DROP INDEX CONCURRENTLY {name}")
    db.execute_sql(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
