"""What functions send to the database, and how the database would go about it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clozone.infra.postgres import Scope, database, unit_of_work


class Statements(logging.Handler):
    """What is sent through the units of work."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[tuple[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.msg)  # type: ignore[arg-type]


_FIRST = ("LIMIT %s OFFSET %s", "LIMIT %s OFFSET %s FOR UPDATE")


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement and the lines of its EXPLAIN."""

    sql: str
    parameters: Any
    text: str

    def skips_rows(self) -> bool:
        """Whether rows before the page are found and thrown away. `get` of one row asks for 0."""
        if "OFFSET" not in self.sql.upper():
            return False
        return not (self.sql.rstrip().endswith(_FIRST) and self.parameters[-1] == 0)

    def scanned_whole(self) -> set[str]:
        """The tables that are read from end to end."""
        lines = (line.strip(" ->") for line in self.text.splitlines())
        scans = (line.removeprefix("Parallel ") for line in lines)
        return {line.split()[3] for line in scans if line.startswith("Seq Scan on ")}


@contextmanager
def statements_sent() -> Iterator[Statements]:
    """Notes every statement sent inside the block."""
    log, statements = logging.getLogger("peewee"), Statements()
    level = log.level
    log.addHandler(statements)
    log.setLevel(logging.DEBUG)
    try:
        yield statements
    finally:
        log.removeHandler(statements)
        log.setLevel(level)


class _Undone(Exception):
    """Rolls back what a function did."""


def plans_of(scope: Scope, function: Callable[[], Any], options: str = "ON") -> list[Plan]:
    """Run `function` in a unit of work that is rolled back, and explain each statement it sent.

    `options` of EXPLAIN follow COSTS, such as `OFF, ANALYZE, BUFFERS`. Statements that only set something are
    left out.
    """
    plans: list[Plan] = []
    with statements_sent() as statements:
        try:
            with unit_of_work(scope):
                statements.seen.clear()
                function()
                for sql, parameters in list(statements.seen):
                    if _has_plan(sql):
                        rows = database.execute_sql(f"EXPLAIN (COSTS {options}) {sql}", parameters)
                        lines = "\n".join(line for (line,) in rows.fetchall())
                        plans.append(Plan(sql, parameters, lines))
                raise _Undone
        except _Undone:
            return plans
    raise AssertionError("unreachable")


def _has_plan(sql: str) -> bool:
    words = sql.split(None, 2)
    return words[0].upper() in ("SELECT", "WITH", "UPDATE", "DELETE", "INSERT") and (
        "set_config" not in sql
    )
