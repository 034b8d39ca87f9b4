"""Tenancy below the API: what the database lets one organisation do with another's rows."""

import json
from typing import Any

import pytest
from peewee import DatabaseError
from tests.support.tenant import Tenant
from tests.support.tenant_rows import digest_of, rows_of, tenant_tables

from clozone.infra.postgres import Scope, database, unit_of_work

# Tables of the installation, in which no row is an organisation's.
SHARED = {"price_overrides", "schema_migration"}
# Of the installation too, and withheld from every organisation by the policies themselves.
PLATFORM_ONLY = {"job_controls", "reconciliations", "recurring_jobs"}


@pytest.fixture(scope="module")
def another(platform_db: None) -> Tenant:
    return Tenant("another password")


def test_every_table_is_an_organisations_or_named_as_shared(platform_db: None) -> None:
    with unit_of_work(Scope.platform()):
        found = database.execute_sql("""
            SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class
            WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace""").fetchall()

    secured = {name for name, is_secured in found if is_secured}
    assert {name for name, _ in found} - secured == SHARED
    assert secured == PLATFORM_ONLY | set(tenant_tables())


def test_no_view_or_function_passes_by_the_policies(platform_db: None) -> None:
    with unit_of_work(Scope.platform()):
        views = database.execute_sql("""
            SELECT relname FROM pg_class
            WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace""").fetchall()
        definers = database.execute_sql("""
            SELECT proname FROM pg_proc
            WHERE prosecdef AND pronamespace = 'public'::regnamespace""").fetchall()

    assert (views, definers) == ([], [])


def test_the_login_itself_may_neither_bypass_the_policies_nor_own_a_table(
    platform_db: None,
) -> None:
    with database.connection_context():
        (role,) = database.execute_sql("""
            SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user""").fetchall()
        owned = database.execute_sql("""
            SELECT tablename FROM pg_tables
            WHERE schemaname = 'public' AND tableowner = session_user""").fetchall()

    assert (role, owned) == ((False, False), [])


def test_in_the_scope_of_one_organisation_no_row_of_another_is_seen(
    ours: Tenant, another: Tenant
) -> None:
    for table, column in tenant_tables().items():
        with unit_of_work(Scope.tenant(ours.org_id)):
            seen = database.execute_sql(f"SELECT DISTINCT {column} FROM {table}").fetchall()

        assert seen == [(ours.org_id,)], table


def test_without_a_scope_no_row_is_seen(another: Tenant) -> None:
    for table in tenant_tables():
        with database.connection_context():
            try:
                seen = database.execute_sql(f"SELECT 1 FROM {table} LIMIT 1").fetchall()
            except DatabaseError as error:
                assert "permission denied" in str(error)
            else:
                assert seen == [], table


def test_the_rows_of_another_organisation_cannot_be_changed_or_deleted(
    ours: Tenant, another: Tenant
) -> None:
    before = digest_of(another.org_id)
    for table, column in tenant_tables().items():
        for statement in (
            f"UPDATE {table} SET {column} = %(ours)s WHERE {column} = %(theirs)s",
            f"DELETE FROM {table} WHERE {column} = %(theirs)s",
        ):
            assert _run(ours, statement, theirs=another.org_id) == 0, statement

    assert digest_of(another.org_id) == before


def test_no_row_can_be_added_or_moved_to_another_organisation(
    ours: Tenant, another: Tenant
) -> None:
    before = digest_of(another.org_id)
    for table, column in tenant_tables().items():
        row = rows_of(another.org_id)[table][0]
        names = _written_columns(table)
        add = (
            f"INSERT INTO {table} ({names}) "
            f"SELECT {names} FROM jsonb_populate_record(NULL::{table}, %(row)s)"
        )
        with pytest.raises(DatabaseError, match="row-level security"):
            _run(ours, add, row=json.dumps({"last_used_at": None, **json.loads(row)}))
        move = f"UPDATE {table} SET {column} = %(theirs)s WHERE {column} = %(ours)s"
        with pytest.raises(DatabaseError, match=r"row-level security|rows do not change"):
            _run(ours, move, theirs=another.org_id)

    assert digest_of(another.org_id) == before


def _written_columns(table: str) -> str:
    """The table's columns, without those that PostgreSQL itself computes."""
    with unit_of_work(Scope.platform()):
        rows = database.execute_sql(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND table_name = %s AND is_generated = 'NEVER'",
            (table,),
        ).fetchall()
    return ", ".join(name for (name,) in rows)


def _run(tenant: Tenant, statement: str, **parameters: Any) -> int:
    """Run a statement in the tenant's scope; how many rows it touched."""
    with unit_of_work(Scope.tenant(tenant.org_id)):
        touched: int = database.execute_sql(
            statement, {"ours": tenant.org_id, **parameters}
        ).rowcount
        return touched
