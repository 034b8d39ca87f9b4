"""How many statements requests cost, as PostgreSQL counts them."""

import re
from collections import Counter
from collections.abc import Callable
from functools import reduce
from operator import and_

import psycopg

ROUNDS = 3
# What surrounds a unit of work: which role it takes, for which organisation.
_SURROUNDING = re.compile(r"\s*SELECT\s+(pg_catalog\.)?set_config\(", re.IGNORECASE)


class StatementCounts:
    """Counts what is sent to one database, by statement. `superuser_url` may read everybody's.

    BEGIN, COMMIT and SET are not counted by pg_stat_statements itself.
    """

    def __init__(self, superuser_url: str, database: str) -> None:
        self._connection = psycopg.connect(superuser_url, autocommit=True)
        self._database = database

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def of(self, request: Callable[[], object]) -> Counter[str]:
        """What one `request` sends: statement → how often.

        It is made several times; what is not sent each time was somebody else's, or only the
        first time's.
        """
        return reduce(and_, [self._once(request) for _ in range(ROUNDS)])

    def _once(self, request: Callable[[], object]) -> Counter[str]:
        before = self._now()
        request()
        return self._now() - before

    def _now(self) -> Counter[str]:
        rows = self._connection.execute(
            """
            SELECT query, sum(calls)::int FROM pg_stat_statements s
            JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = %s GROUP BY query""",
            (self._database,),
        )
        return Counter(dict(rows.fetchall()))


def business(statements: Counter[str]) -> Counter[str]:
    """Without those that only take a role and an organisation."""
    return Counter({sql: n for sql, n in statements.items() if not _SURROUNDING.match(sql)})
