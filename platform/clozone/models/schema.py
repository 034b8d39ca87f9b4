"""Bring the database's schema up to date: roles, numbered migrations, grants."""

import time
from pathlib import Path

from playhouse.migrations import Runner
from psycopg.conninfo import conninfo_to_dict

from clozone.infra.postgres import PLATFORM_ROLE, TENANT_ROLE, database
from clozone.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"

# Any number the other users of the server do not use: it serialises concurrent migrations.
_MIGRATION_LOCK = 7_026_311_904
_LOCK_PAUSE_SECONDS = 0.5


def migrate(settings: Settings) -> list[str]:
    """Apply what is pending and return the names. Needs `init_database_as_owner` first.

    Two migrations started at once wait for each other; the second finds nothing to do.
    """
    with database.connection_context():
        _take_turn()
        try:
            _ensure_roles()
            applied: list[str] = Runner(database, str(MIGRATIONS)).up()
            _grant(settings)
            return applied
        finally:
            database.execute_sql("SELECT pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))


def _take_turn() -> None:
    """Wait until no other migration runs, without a statement that waits: an index that is being
    built would wait for that one in turn.
    """
    while not database.execute_sql(
        "SELECT pg_try_advisory_lock(%s)", (_MIGRATION_LOCK,)
    ).fetchone()[0]:
        time.sleep(_LOCK_PAUSE_SECONDS)


def pending() -> list[str]:
    """Names of the migrations the database has not seen, in order. Needs an open connection."""
    runner = Runner(database, str(MIGRATIONS))
    return [step.name for step in runner.status() if not step.applied]


def _ensure_roles() -> None:
    for role in (TENANT_ROLE, PLATFORM_ROLE):
        # Roles belong to the server, so another database's migration may create them meanwhile.
        database.execute_sql(f"""
            DO $$ BEGIN
              IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} NOLOGIN;
              END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
        """)


def _grant(settings: Settings) -> None:
    login = conninfo_to_dict(settings.database_url.get_secret_value()).get("user")
    for role in (TENANT_ROLE, PLATFORM_ROLE):
        database.execute_sql(f"""
            GRANT USAGE ON SCHEMA public TO {role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
            REVOKE INSERT, UPDATE, DELETE ON schema_migration FROM {role};
        """)
        if login:
            database.execute_sql(f'GRANT {role} TO "{login}" WITH INHERIT FALSE, SET TRUE')
    # The one table that belongs to no organisation: everybody reads it, the platform writes it.
    database.execute_sql(f"REVOKE INSERT, UPDATE, DELETE ON price_overrides FROM {TENANT_ROLE}")
    if login:
        # They take a role themselves.
        database.execute_sql(
            "GRANT EXECUTE ON FUNCTION analytics_report, analytics_users, analytics_templates"
            f' TO "{login}"'
        )
        # Health reads the list of migrations before any scope is taken.
        database.execute_sql(f'GRANT SELECT ON schema_migration TO "{login}"')
