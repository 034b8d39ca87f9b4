"""Waiting until nothing of the drill is left to do."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import psycopg

from clozone.drill.database import Database

POLL_SECONDS = 0.5
# As often in a row: between a step of a call and the next there is no gap, but a poll may be cut off.
TIMES = 3

# Jobs of the drill: those of its organisations, and those of its webhooks, which belong to nobody
# before they are placed.
OWN_JOBS = """
SELECT * FROM jobs WHERE org_id = ANY(%(orgs)s)
UNION ALL
SELECT * FROM jobs WHERE org_id IS NULL AND payload ->> 'event_id' IN
  (SELECT id::text FROM webhook_events WHERE call_id = ANY(%(calls)s))
"""
UNFINISHED = "state NOT IN ('succeeded', 'dead', 'cancelled')"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the platform has come with the drill's work."""

    events: int
    events_open: int
    jobs_open: int
    graded: int
    scorecards: int

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.events_open or self.jobs_open)


def standing(database: Database, orgs: list[UUID], calls: list[str]) -> Standing:
    """What is there and what is open now. Raises psycopg.OperationalError while PostgreSQL is away."""
    (row,) = database.rows(
        f"""
        SELECT (SELECT count(*) FROM webhook_events WHERE call_id = ANY(%(calls)s)),
          (SELECT count(*) FROM webhook_events
            WHERE call_id = ANY(%(calls)s) AND state = 'received'),
          (SELECT count(*) FROM ({OWN_JOBS}) own WHERE {UNFINISHED}),
          (SELECT count(*) FROM session_grades WHERE org_id = ANY(%(orgs)s)),
          (SELECT count(*) FROM exports WHERE org_id = ANY(%(orgs)s) AND state = 'ready')
        """,  # noqa: S608 - constants only
        orgs=orgs,
        calls=calls,
    )
    return Standing(*row)


def await_quiet(look: Callable[[], Standing], expected: int, deadline: float) -> bool:
    """Wait until `expected` webhooks are stored and nothing is open; False at the `deadline`.

    `look` tells the standing; the deadline is one of the monotonic clock.
    """
    quiet = 0
    while time.monotonic() < deadline:
        try:
            found = look()
        except psycopg.OperationalError:
            quiet = 0
        else:
            quiet = quiet + 1 if found.is_quiet and found.events >= expected else 0
        if quiet >= TIMES:
            return True
        time.sleep(POLL_SECONDS)
    return False
