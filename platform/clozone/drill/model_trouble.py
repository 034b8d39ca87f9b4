"""Trouble with the model: refusals, errors, silence and garbage, in doses that no job can die of.

Three answers that fail in a row bury a job: that is the platform's promise to whoever pays, not a
loss. So faults which count as failures are only armed while no job has failed so often that they
could bury it; what the platform has to wait out, such as a rate limit, is dealt freely.
"""

import random
from collections import Counter
from contextlib import suppress
from uuid import UUID

import httpx2
import psycopg

from clozone.drill.database import Database
from clozone.drill.model import Fault, Model

FAILURES_ALLOWED = 2
# Longer than any client waits, and any drill lasts: what is never answered must not be counted.
SILENCE_SECONDS = 86_400.0
SLOW_SECONDS = 2.5
_COUNTED = ("server_error", "timeout", "invalid_json", "truncated")
_FREE = ("rate_limit", "latency", "slow_stream")


class ModelTrouble:
    """Arms faults of the offline model; `armed` counts them by kind."""

    def __init__(self, model: Model, database: Database, orgs: list[UUID], seed: int) -> None:
        self.armed: Counter[str] = Counter()
        self._model = model
        self._database = database
        self._orgs = orgs
        self._chance = random.Random(f"model {seed}")
        self._next = self._kinds()

    def stir(self) -> None:
        """Replace the model's faults by the next ones. Does nothing while a server is away."""
        try:
            room = FAILURES_ALLOWED - self._most_failures()
            fault = self._fault(room)
            if fault is not None:
                self._model.switch_to(fault)
                self.armed[fault["kind"]] += 1
        except (psycopg.OperationalError, httpx2.HTTPError):
            return

    def slow_down(self) -> None:
        """Let every answer take a while, so that workers are met in the middle of one."""
        with suppress(httpx2.HTTPError):
            self._model.switch_to({"kind": "latency", "seconds": SLOW_SECONDS})
            self.armed["latency"] += 1

    def answer_late(self, seconds: float) -> None:
        """Let every answer take this long; raises httpx2.HTTPError. `end` ends it."""
        self._model.switch_to({"kind": "latency", "seconds": seconds})
        self.armed["long answer"] += 1

    def is_asking(self, pid: int) -> bool:
        """Whether the worker with this process number waits for the model now, for one of our jobs."""
        with suppress(psycopg.OperationalError):
            return bool(
                self._database.rows(
                    """
                    SELECT FROM jobs j JOIN llm_calls c ON c.job_id = j.id AND c.state = 'reserved'
                    WHERE j.org_id = ANY(%(orgs)s) AND j.state = 'running'
                      AND j.lease_owner LIKE %(worker)s
                    """,
                    orgs=self._orgs,
                    worker=f"%:{pid}",
                )
            )
        return False

    def end(self) -> None:
        """Switch every fault off."""
        self._model.switch_to()

    def _fault(self, room: int) -> Fault | None:
        kind = self._next.pop() if self._next else None
        if kind is None:
            self._next = self._kinds()
            kind = self._next.pop()
        if kind in _COUNTED:
            if room < 1:
                return None
            silence = {"seconds": SILENCE_SECONDS} if kind == "timeout" else {}
            return {"kind": kind, "next": self._chance.randint(1, room), **silence}
        if kind == "rate_limit":
            seconds = round(self._chance.uniform(0.5, 3.0), 1)
            return {"kind": kind, "next": self._chance.randint(1, 6), "seconds": seconds}
        if kind == "latency":
            return {"kind": kind, "every": 2, "seconds": round(self._chance.uniform(1.0, 4.0), 1)}
        return {"kind": kind, "every": 2, "seconds": 0.02}

    def _kinds(self) -> list[str]:
        kinds = [*_COUNTED, *_FREE, "latency"]
        self._chance.shuffle(kinds)
        return kinds

    def _most_failures(self) -> int:
        ((most,),) = self._database.rows(
            """
            SELECT coalesce(max(failures), 0) FROM jobs WHERE org_id = ANY(%(orgs)s)
              AND state NOT IN ('succeeded', 'dead', 'cancelled')
            """,
            orgs=self._orgs,
        )
        return int(most)
