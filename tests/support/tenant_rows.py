"""The rows of organisations as the database holds them, in every table that belongs to one."""

import hashlib
import re
from functools import cache
from uuid import UUID

from clozone.infra.postgres import Scope, database, unit_of_work

# What using an API key changes about it.
INCIDENTAL = "'{last_used_at}'"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOBODY = str(UUID(int=0))


@cache
def tenant_tables() -> dict[str, str]:
    """Table → the column that says whose a row is, as the database itself tells."""
    with unit_of_work(Scope.platform()):
        found = database.execute_sql("""
            SELECT table_name, column_name FROM information_schema.columns
            JOIN information_schema.tables USING (table_schema, table_name)
            WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
              AND (column_name IN ('org_id', 'org')
                   OR (table_name, column_name) = ('organizations', 'id'))
            ORDER BY table_name""").fetchall()
    return dict(found)


def rows_of(org_id: UUID) -> dict[str, list[str]]:
    """Table → each row of the organisation as JSON text, in a fixed order."""
    tables = tenant_tables()
    statement = " UNION ALL ".join(
        f"SELECT '{table}' AS name, (to_jsonb(t) #- {INCIDENTAL})::text AS line "
        f"FROM {table} t WHERE {column} = %(org)s"
        for table, column in tables.items()
    )
    found: dict[str, list[str]] = {table: [] for table in tables}
    with unit_of_work(Scope.platform()):
        rows = database.execute_sql(f"{statement} ORDER BY name, line", {"org": org_id})
        for table, line in rows:
            found[table].append(line)
    return found


def digest_of(org_id: UUID) -> dict[str, str]:
    """Table → a digest of the organisation's rows in it."""
    return {
        table: hashlib.sha256("\n".join(lines).encode()).hexdigest()
        for table, lines in rows_of(org_id).items()
    }


def ids_of(org_id: UUID) -> set[str]:
    """Every id that stands anywhere in the organisation's rows."""
    text = "\n".join(line for lines in rows_of(org_id).values() for line in lines)
    return set(_UUID.findall(text)) - {_NOBODY}
