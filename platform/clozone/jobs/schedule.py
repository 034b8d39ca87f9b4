"""Recurring duties, done by one process of the cluster at a time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger

from clozone.infra.postgres import dedicated_connection


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do every so many seconds. Must be safe to do once too often."""

    name: str
    every_seconds: float
    run: Callable[[], object]


# Serialises schedulers; any number the other users of the server do not use.
_LEADER_LOCK = 7_026_311_905


class Scheduler:
    """Runs duties while it holds the leader's lock; a standby takes over when that is released."""

    def __init__(self, duties: list[Duty], on_turn: Callable[[], None]) -> None:
        self._duties = duties
        self._on_turn = on_turn
        self._due = {duty.name: 0.0 for duty in duties}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, through restarts of PostgreSQL and Redis."""
        while not stop.is_set():
            try:
                self._lead(stop)
            except Exception as error:
                logger.bind(error=str(error)).warning("scheduler lost its footing, tries again")
                stop.wait(1)

    def _lead(self, stop: threading.Event) -> None:
        # The lock belongs to this connection, so it is gone when the process or the server is.
        connection = dedicated_connection()
        try:
            while not stop.is_set():
                row = connection.execute(
                    "SELECT pg_try_advisory_lock(%s)", (_LEADER_LOCK,)
                ).fetchone()
                if row == (True,):
                    break
                self._on_turn()
                stop.wait(1)
            while not stop.is_set():
                connection.execute("SELECT 1")
                self._turn()
                stop.wait(0.5)
        finally:
            connection.close()

    def _turn(self) -> None:
        self._on_turn()
        for duty in self._duties:
            if time.monotonic() < self._due[duty.name]:
                continue
            self._due[duty.name] = time.monotonic() + duty.every_seconds
            try:
                duty.run()
            except Exception as error:
                logger.bind(duty=duty.name, error=str(error)).warning("a duty failed")
