"""A platform after a drill, and ways to do it the harm that a drill is there to find."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.proofs.all import prove_all
from clozone.drill.report import Report
from clozone.local.postgres import SUPERUSER, postgres_url

FEW = 5


@dataclass
class Drilled:
    """What the drill reported, and what its proofs went by."""

    report: Report
    evidence: Evidence

    def broken(self) -> dict[str, Proof]:
        """The claims that do not hold now, by name; those about time are left out."""
        proofs = prove_all(replace(self.evidence, most_read=FEW))
        return {p.name: p for p in proofs if not p.holds and p.name != "recovery"}

    def row(self, statement: str) -> tuple[Any, ...]:
        """The first row that a statement about the drill's first organisation finds."""
        scope = {"org": self.evidence.orgs[0], "calls": list(self.evidence.call_ids)}
        return self.evidence.database.rows(statement, **scope)[0]

    @contextmanager
    def harmed(self, harm: str, repair: str, **values: Any) -> Iterator[None]:
        """Run `harm` as PostgreSQL's superuser, and `repair` when the block ends."""
        url = postgres_url(self.evidence.target.plan, SUPERUSER)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = 'replica'")
            connection.execute(harm, values)  # type: ignore[arg-type]
            try:
                yield
            finally:
                connection.execute(repair, values)  # type: ignore[arg-type]
