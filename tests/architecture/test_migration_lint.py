"""The migrations are looked at by squawk, and what is excused is excused for a reason."""

import pytest
from playhouse.migrations import Migration
from tests.support.migration_lint import ACCEPTED, EXCLUDED, complaints, complaints_about, sql_of

from clozone.models.schema import MIGRATIONS


def test_no_migration_locks_a_big_table() -> None:
    assert list(complaints()) == []


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE INDEX jobs_new ON jobs (kind);", "require-concurrent-index-creation"),
        ("DROP INDEX jobs_old;", "require-concurrent-index-deletion"),
        ("ALTER TABLE jobs DROP COLUMN kind;", "ban-drop-column"),
        ("ALTER TABLE jobs ADD CHECK (attempt >= 0);", "constraint-missing-not-valid"),
        ("ALTER TABLE jobs ALTER COLUMN kind TYPE text;", "changing-column-type"),
        ("ALTER TABLE jobs ADD COLUMN kind_id uuid NOT NULL;", "adding-required-field"),
    ],
)
def test_what_would_lock_or_break_something_is_found(sql: str, rule: str) -> None:
    (said,) = complaints_about("0099_new", sql, in_transaction=True)
    assert rule in said


def test_an_index_built_without_a_transaction_is_welcome() -> None:
    sql = "CREATE INDEX CONCURRENTLY jobs_new ON jobs (kind);"
    assert list(complaints_about("0099_new", sql, in_transaction=False)) == []
    (said,) = complaints_about("0099_new", f"SELECT 1;{sql}", in_transaction=True)
    assert "ban-concurrent-index-creation-in-transaction" in said


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_excuse_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (migration,) = [m for m in Migration.load_directory(str(MIGRATIONS)) if m.name == name]
    atomic = getattr(migration.load(), "atomic", True)
    for rule in ACCEPTED[name]:
        others = {other: "" for other in ACCEPTED[name] if other != rule}
        monkeypatch.setitem(ACCEPTED, name, others)
        said = "".join(complaints_about(name, sql_of(migration), in_transaction=atomic))
        assert rule in said, rule


def test_every_excuse_has_a_reason() -> None:
    reasons = [*EXCLUDED.values(), *(why for rules in ACCEPTED.values() for why in rules.values())]
    assert all(reasons)
