"""Statements that our database ran, from pg_stat_statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.reads.loading import ours_of
from bench.reads.stage import Stage

_RESET = """SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = %s"""
_CALLS = """SELECT query, sum(calls)::int FROM pg_stat_statements s
  JOIN pg_database d ON d.oid = s.dbid AND d.datname = %s
  WHERE toplevel GROUP BY query"""
_OPENING = ("set_config", "SET ", "BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION")


@dataclass
class Statements:
    """How often each statement ran. `of_reports` are those that read the rollup."""

    calls: dict[str, int] = field(default_factory=dict)

    @property
    def working(self) -> int:
        """All but those that open and close a unit of work."""
        return sum(calls for query, calls in self.calls.items() if not _opens(query))

    @property
    def opening(self) -> int:
        """Those that set role, organisation and time-outs."""
        return sum(calls for query, calls in self.calls.items() if _opens(query))

    @property
    def of_reports(self) -> int:
        """Those that read the rollup, by themselves or by a function of analytics."""
        names = ("daily_stats", "analytics")
        return sum(
            calls for query, calls in self.calls.items() if any(n in query.lower() for n in names)
        )


@contextmanager
def counted(stage: Stage, size: str) -> Iterator[Statements]:
    """Count from here to the end of the block, when the figures are there."""
    found = Statements()
    with stage.stores.statistics() as connection:
        connection.execute(_RESET, (ours_of(size),))
        yield found
        found.calls = dict(connection.execute(_CALLS, (ours_of(size),)).fetchall())


def _opens(query: str) -> bool:
    text = query.lstrip().upper()
    return "SET_CONFIG" in text or text.startswith(_OPENING)
