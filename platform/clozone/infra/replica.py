"""The read replica: how far it is, and whether it may be read from."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
from loguru import logger
from peewee import InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded

from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.postgres import is_replicated, one_statement
from clozone.infra.replica_judgement import ASK_PRIMARY, ASK_REPLICA, why_unusable
from clozone.infra.replica_lag import LagGauge
from clozone.infra.server_probe import ServerProbe
from clozone.settings import Settings

LOOK_EVERY_SECONDS = 0.5
ANSWER_SECONDS = 1.0

_WRITTEN = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


def write_position() -> int:
    """The position in the write-ahead log up to which everything is that was committed so far.

    UNKNOWN_POSITION when the server does not say, and without asking where this process knows of no
    replica: another one may read from one. To be called after the commit, outside of any unit of work.
    """
    if not is_replicated():
        return UNKNOWN_POSITION
    try:
        ((position,),) = one_statement(_WRITTEN, {})
    except (OperationalError, InterfaceError, MaxConnectionsExceeded):
        return UNKNOWN_POSITION
    return int(position)


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What is known about the replica: why it may not be read from (None: it may), how many seconds
    it is behind (None: nobody knows), and up to which position it has everything.
    """

    unfit: str | None
    lag_seconds: float | None = None
    replayed: int = 0


class ReplicaWatch:
    """Looks at the replica all the time. Made on the event loop of a web process."""

    def __init__(self, settings: Settings, url: str) -> None:
        primary = (settings.database_direct_url or settings.database_url).get_secret_value()
        self.state = ReplicaState("it has not been looked at yet")
        self._max_lag = settings.database_replica_max_lag_seconds
        self._primary = ServerProbe(primary, settings, seconds=ANSWER_SECONDS)
        self._replica = ServerProbe(url, settings, seconds=ANSWER_SECONDS)
        self._when_fit: list[Callable[[], None]] = []
        self._when_unfit: list[Callable[[], None]] = []
        self._gauge = LagGauge()
        self._primary_row: asyncpg.Record | None = None
        self._primary_answers = False
        self._task: asyncio.Task[None] | None = None

    def when_fit(self, action: Callable[[], None]) -> None:
        """Call `action` whenever the replica becomes fit, before it is read from."""
        self._when_fit.append(action)

    def when_unfit(self, action: Callable[[], None]) -> None:
        """Call `action` whenever the replica stops being fit, and again while it is silent."""
        self._when_unfit.append(action)

    def start(self) -> None:
        """Begin to look. To be called on the event loop."""
        self._task = asyncio.create_task(self._watch(), name="replica")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._primary.close()
        self._replica.close()

    def has(self, after: int) -> bool:
        """Whether the replica may be read from by whoever has to see everything up to `after`."""
        return self.state.unfit is None and self.state.replayed >= after

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:
                logger.opt(exception=error).error("the replica could not be looked at")
                self._become(ReplicaState("it could not be looked at"))
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Look once; `state` says what came of it."""
        # The primary first: a replica that keeps up is then never found behind.
        await self._look_at_primary()
        self._become(await self._look_at_replica())

    async def _look_at_primary(self) -> None:
        try:
            row = await self._primary.ask(ASK_PRIMARY)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._primary_answers = False
            return
        self._primary_answers = True
        self._primary_row = row
        self._gauge.saw_primary(time.monotonic(), row["position"])

    async def _look_at_replica(self) -> ReplicaState:
        try:
            row = await self._replica.ask(ASK_REPLICA)
        except TimeoutError:
            return ReplicaState("it does not answer")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return ReplicaState(f"it cannot be reached ({type(error).__name__})")
        unusable = why_unusable(self._primary_row, row)
        if unusable is not None:
            return ReplicaState(unusable)
        if self._is_ahead(row["replayed"]):
            # The primary has gone on since it was asked, or never wrote what is there.
            await self._look_at_primary()
            if self._primary_answers and self._is_ahead(row["replayed"]):
                return ReplicaState("it is ahead of the primary: it holds what that never wrote")
        return self._judge(row["replayed"])

    def _is_ahead(self, replayed: int) -> bool:
        return self._primary_row is not None and replayed > self._primary_row["position"]

    def _judge(self, replayed: int) -> ReplicaState:
        lag = self._gauge.lag(time.monotonic(), replayed)
        unfit = None
        if lag is None:
            unfit = "it is behind, by how long is not known yet"
        elif lag > self._max_lag and self._primary_answers:
            unfit = f"it is more than {self._max_lag:g} s behind"
        elif lag > self._max_lag:
            unfit = "the primary does not say how far it is"
        return ReplicaState(unfit, lag, replayed)

    def _become(self, state: ReplicaState) -> None:
        before = self.state
        if state.unfit is None and before.unfit is not None:
            for action in self._when_fit:
                action()
        self.state = state
        if state.unfit is not None and (before.unfit is None or not state.replayed):
            for action in self._when_unfit:
                action()
        if state.unfit != before.unfit:
            facts = logger.bind(lag_seconds=state.lag_seconds, reason=state.unfit)
            if state.unfit is None:
                facts.info("the replica is read from")
            else:
                facts.warning("the replica is not read from")
