"""The migrated schema: what the models say, and row-level security on every tenant's rows."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from peewee import sort_models

import clozone.models
from clozone.models.base import Row, Table
from clozone.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

# Its rows belong to the installation, and every organisation's calls are priced by them.
WITHOUT_TENANT = {"price_overrides"}
# Under row-level security that lets no organisation see a row.
PLATFORM_ONLY = {"job_controls", "reconciliations", "recurring_jobs"}
NOT_OURS = {"schema_migration"}  # the migration runner's

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  coalesce(a.attnum = ANY (i.indkey), false)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND c.relnamespace = %s::regnamespace
"""


def models() -> list[type[Row]]:
    """Every table of models/, those that are referred to first."""
    for module in pkgutil.iter_modules(clozone.models.__path__):
        if not module.ispkg:
            importlib.import_module(f"clozone.models.{module.name}")

    def below(parent: type[Row]) -> Iterator[type[Row]]:
        for model in parent.__subclasses__():
            yield model
            yield from below(model)

    return list(sort_models([model for model in below(Row) if model is not Table]))


@pytest.fixture
def owner(settings: Settings) -> Iterator[Connection]:
    """The schema owner's connection; what it does is rolled back."""
    assert settings.database_migrate_url is not None
    with psycopg.connect(settings.database_migrate_url.get_secret_value()) as connection:
        yield connection
        connection.rollback()


def columns(connection: Connection, schema: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    """(table, column) → (type, not null, in the primary key)."""
    rows = connection.execute(COLUMNS, (schema,)).fetchall()
    return {(table, column): tuple(rest) for table, column, *rest in rows if table not in NOT_OURS}


def test_the_migrations_make_what_the_models_say(owner):
    migrated = columns(owner, "public")
    owner.execute("CREATE SCHEMA by_the_models")
    owner.execute("SET LOCAL search_path TO by_the_models")
    for model in models():
        statement, _ = model._schema._create_table(safe=False).query()
        owner.execute(statement)

    modelled = columns(owner, "by_the_models")

    assert len(modelled) > 100
    differences = {
        key: {"migrated": migrated.get(key), "modelled": modelled.get(key)}
        for key in migrated.keys() | modelled.keys()
        if migrated.get(key) != modelled.get(key)
    }
    assert differences == {}


def test_every_table_is_under_row_level_security(owner):
    rows = owner.execute(
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    tables = {model._meta.table_name for model in models()}

    assert {table for table, _ in rows} - NOT_OURS == tables
    assert {table for table, forced in rows if forced} == tables - WITHOUT_TENANT


def test_every_table_has_the_two_policies_and_no_other(owner):
    rows = owner.execute(
        "SELECT tablename, policyname, permissive, roles::text[], cmd, qual, with_check"
        " FROM pg_policies WHERE schemaname = 'public'"
    ).fetchall()
    own = "(NULLIF(current_setting('clozone.org_id'::text, true), ''::text))::uuid"
    expected = set()
    for model in models():
        table = model._meta.table_name
        if table in PLATFORM_ONLY:
            expected.add(
                (table, "platform", "PERMISSIVE", ("clozone_platform",), "ALL", "true", "true")
            )
        elif table not in WITHOUT_TENANT:
            test = f"({column_of_tenant(model)} = {own})"
            expected |= {
                (table, "tenant", "PERMISSIVE", ("clozone_tenant",), "ALL", test, test),
                (table, "platform", "PERMISSIVE", ("clozone_platform",), "ALL", "true", "true"),
            }

    assert {(*row[:3], tuple(row[3]), *row[4:]) for row in rows} == expected


def column_of_tenant(model: type[Row]) -> str:
    """The column that says whose a row is; an organisation is its own."""
    if model._meta.table_name == "organizations":
        return "id"
    return str(model._meta.fields["org_id"].column_name)


def test_the_application_owns_nothing_and_bypasses_nothing(owner, settings):
    login = psycopg.conninfo.conninfo_to_dict(settings.database_url.get_secret_value())["user"]
    rows = owner.execute(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles"
        " WHERE rolname IN (%s, 'clozone_tenant', 'clozone_platform')",
        (login,),
    ).fetchall()
    owned = owner.execute(
        "SELECT relname FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner"
        " WHERE rolname IN (%s, 'clozone_tenant', 'clozone_platform')",
        (login,),
    ).fetchall()

    assert sorted(rows) == sorted(
        [(login, False), ("clozone_tenant", False), ("clozone_platform", False)]
    )
    assert owned == []


def test_a_login_without_a_role_reads_no_table_of_ours(settings):
    tables = sorted(model._meta.table_name for model in models())
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        readable = connection.execute(
            "SELECT name FROM unnest(%s::text[]) AS name"
            " WHERE has_table_privilege(name, 'SELECT, INSERT, UPDATE, DELETE')",
            (tables,),
        ).fetchall()
    assert readable == []
