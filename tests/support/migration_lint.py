"""Squawk over the SQL of the migrations: does one of them lock a big table, or break what runs?

`python -m tests.support.migration_lint` ends with 1 if so. The SQL is what the migrations send, by
a database that only notes it.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playhouse.migrations import Migration

from clozone.models.schema import MIGRATIONS

FIRST = "0001_initial"  # there is nothing yet that could be locked

# Rules that do not fit here, and why.
EXCLUDED = {
    "prefer-robust-stmts": "the runner notes what was applied; a transaction is undone as a whole",
    "require-timeout-settings": "every connection of ours has lock_timeout and statement_timeout",
    "prefer-bigint-over-int": "ids are UUIDs; what is counted in 32 bits are tries, days and scores",
    "prefer-bigint-over-smallint": "the same",
    "prefer-text-field": "states are short words, and a CHECK says which",
}
_BEFORE_SIZE = "shipped before any installation had more rows than are indexed within a second"
# Migration → the rules that it breaks, and why that was right there.
ACCEPTED: dict[str, dict[str, str]] = {
    "0002_turns": {
        "adding-serial-primary-key-field": _BEFORE_SIZE,
        "ban-drop-column": "columns of the ledger that only the version before read",
        "ban-drop-constraint": "in its place comes one that allows the new states too",
        "constraint-missing-not-valid": _BEFORE_SIZE,
        "require-concurrent-index-creation": _BEFORE_SIZE,
        "require-concurrent-index-deletion": _BEFORE_SIZE,
    },
    "0003_dead_deliveries": {"require-concurrent-index-creation": _BEFORE_SIZE},
    "0004_recordings_and_reconciliations": {"require-concurrent-index-creation": _BEFORE_SIZE},
    "0006_asked_by_name": {"require-concurrent-index-creation": _BEFORE_SIZE},
    "0007_held_deliveries": {"require-concurrent-index-creation": _BEFORE_SIZE},
    "0008_running_totals": {
        "ban-drop-table": "its rows are in the table that takes its name in the same transaction",
        "renaming-object": "the index of that table; nobody names it",
        "renaming-table": "under the name that everybody uses there is a table before and after",
    },
    "0009_listed_by_index": {"renaming-object": "indexes take the names of those they replace"},
}


@dataclass
class RecordingDatabase:
    """Takes statements and runs none; to every question the answer is that nothing was found."""

    statements: list[str] = field(default_factory=list)

    def execute_sql(self, sql: str, params: Any = None) -> "RecordingDatabase":
        """Note a statement. One with parameters only looks something up."""
        if params is None:
            self.statements.append(sql.strip().removesuffix(";"))
        return self

    def fetchone(self) -> None:
        """There is no row."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """There are no rows."""
        return []


def sql_of(migration: Migration) -> str:
    """What the migration sends to an empty database."""
    database = RecordingDatabase()
    migration.load().up(None, database)
    return "".join(f"{statement};\n" for statement in database.statements)


def complaints() -> Iterator[str]:
    """What squawk says of each migration after the first, save what is accepted."""
    for migration in Migration.load_directory(str(MIGRATIONS)):
        if migration.name != FIRST:
            yield from complaints_about(
                migration.name,
                sql_of(migration),
                in_transaction=getattr(migration.load(), "atomic", True),
            )


def complaints_about(name: str, sql: str, *, in_transaction: bool) -> Iterator[str]:
    """What squawk says of `sql`, the migration `name`."""
    excluded = [*EXCLUDED, *ACCEPTED.get(name, ())]
    command = [
        *(str(Path(sys.executable).with_name("squawk")), "--reporter", "gcc", "--pg-version", "18"),
        *("--exclude", ",".join(excluded), "--stdin-filepath", f"{name}.sql"),
        *(["--assume-in-transaction"] if in_transaction else []),
    ]
    result = subprocess.run(
        command, input=sql, capture_output=True, text=True, timeout=60, check=False
    )
    if result.returncode != 0:
        yield result.stdout + result.stderr


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found) or "The migrations lock nothing for long.")
    sys.exit(1 if found else 0)
