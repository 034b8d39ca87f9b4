"""Rows of hand-written SQL, by the names of their columns."""

from collections.abc import Mapping
from typing import Any

from clozone.infra.postgres import database

Record = dict[str, Any]
Statement = tuple[str, Mapping[str, Any]]


def records(statement: Statement) -> list[Record]:
    """What a statement, given as SQL and its named parameters, finds in the current unit of work."""
    cursor = database.execute_sql(*statement)
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
