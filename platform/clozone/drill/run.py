"""One drill from beginning to end: prepare, damage while sending, wait for quiet, prove."""

import asyncio
import secrets
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import psycopg

from clozone.drill.calls import DrillCall, drill_calls
from clozone.drill.database import Database
from clozone.drill.errors import DrillError
from clozone.drill.evidence import Evidence
from clozone.drill.faults import Faults
from clozone.drill.incidents import Incidents
from clozone.drill.long_answer import long_answer_seconds
from clozone.drill.model import Answers, Model
from clozone.drill.model_trouble import ModelTrouble
from clozone.drill.objects import Objects
from clozone.drill.orders import Orders
from clozone.drill.parts import Parts
from clozone.drill.phases import Phases
from clozone.drill.promises import Promises
from clozone.drill.proofs.all import prove_all
from clozone.drill.quiet import Standing, await_quiet, standing
from clozone.drill.report import Report, write_report
from clozone.drill.schedule import schedule
from clozone.drill.script import call_id
from clozone.drill.sender import Sender
from clozone.drill.target import Target
from clozone.drill.world import Organisation, make_world, price_the_model

ORGANISATIONS = 2
REPS = 3
KILL_GAP_SECONDS = 4.0
MOST_CALLS_PER_SECOND = 6.0
PARTS_BACK_SECONDS = 90.0


class Drill:
    """One drill on one bundle. `alone`: nobody else uses it, so that the model's count is ours.

    `evidence` is what its proofs went by, once it has run.
    """

    def __init__(self, target: Target, orders: Orders, *, alone: bool) -> None:
        self._target = target
        self._orders = orders
        self._alone = alone
        self._run = f"drill-{secrets.token_hex(4)}"
        self._deadline = time.monotonic() + orders.timeout_seconds
        self._database = Database(target)
        self._model = Model(target)
        self._parts = Parts(target)
        self._incidents = Incidents()
        self._promises = Promises()
        self._phases = Phases()
        self._calls: list[DrillCall] = []
        self._call_ids: list[str] = []
        self._world: list[Organisation] = []
        self._sender: Sender | None = None
        self.evidence: Evidence | None = None

    def run(self) -> Report:
        """Run it; what came of it. Raises DrillError when it could not be run to its end."""
        orders = self._orders
        long_answer = long_answer_seconds(self._target)
        with self._phases.phase("preparing"):
            if self._alone:
                price_the_model(self._database, self._target.setting("LLM_MODEL"))
            self._world = make_world(self._target, self._database, self._run, ORGANISATIONS, REPS)
            self._calls = drill_calls(orders.calls, ORGANISATIONS, REPS, orders.seed)
            self._call_ids = [call_id(self._run, call) for call in self._calls]
            before = self._model.answers()
        trouble = ModelTrouble(
            self._model, self._database, [org.id for org in self._world], orders.seed
        )
        self._sender = Sender(
            self._target,
            self._run,
            world=self._world,
            calls=self._calls,
            promises=self._promises,
            seed=orders.seed,
        )
        try:
            self._parts.start_second_worker()
            with self._phases.phase("under fire"):
                through = self._under_fire(self._sender, trouble)
            with self._phases.phase("quiet"):
                rest = self._await_quiet()
            with self._phases.phase("long answer"):
                trouble.answer_late(long_answer)
                through = self._send(self._sender.send_last_transcript()) and through
                rest = self._await_quiet() and rest
                trouble.end()
            with self._phases.phase("old news"):
                through = self._send(self._sender.send_held_back()) and through
                rest = self._await_quiet() and rest
        finally:
            self._parts.stop_second_worker()
        with self._phases.phase("proving"):
            self.evidence = self._gather(before)
            proofs = prove_all(self.evidence)
        self._model.close()
        return write_report(
            orders,
            self.evidence,
            proofs,
            self._phases.seconds,
            model_faults=dict(trouble.armed),
            came_to_rest=through and rest,
        )

    def line(self) -> str:
        """Where the drill stands, in one line."""
        kills = self._incidents.kills().total()
        parts = [f"{self._phases.now}: kills {kills}/{self._orders.kills}"]
        if self._sender is not None:
            parts.append(f"calls begun {self._sender.started}/{len(self._calls)}")
            parts.append(f"deliveries {self._promises.deliveries}")
        with suppress(psycopg.OperationalError):
            if self._call_ids:
                found = self._standing()
                parts.append(
                    f"stored {found.events}, graded {found.graded}, PDFs {found.scorecards}, "
                    f"open jobs {found.jobs_open}"
                )
        return " · ".join(parts)

    def _under_fire(self, sender: Sender, trouble: ModelTrouble) -> bool:
        """Send everything while the faults are done; whether both came to their end in time."""
        orders = self._orders
        seconds = max(orders.kills * KILL_GAP_SECONDS, orders.calls / MOST_CALLS_PER_SECOND)
        steps = schedule(
            self._parts.names(),
            orders.kills,
            seconds / orders.kills,
            self._target.lease_seconds,
            orders.seed,
        )
        faults = Faults(self._parts, trouble, self._incidents, steps)
        faults.start()
        try:
            through = self._send(sender.send_calls(seconds / orders.calls))
            faults.await_done(self._deadline)
        finally:
            faults.end()
        if faults.failure is not None:
            raise DrillError(f"The faults could not be done: {faults.failure}") from faults.failure
        if missing := faults.await_everybody(PARTS_BACK_SECONDS):
            raise DrillError(
                f"{', '.join(missing)} did not come up again within {PARTS_BACK_SECONDS:.0f} s of "
                f"the last kill; see {self._target.home.logs}."
            )
        return through

    def _send(self, sending: Coroutine[Any, Any, None]) -> bool:
        """Run `sending` to its end; False when the time is over before."""

        async def bounded() -> None:
            await asyncio.wait_for(sending, max(self._deadline - time.monotonic(), 0.0))

        try:
            asyncio.run(bounded())
        except TimeoutError:
            return False
        return True

    def _gather(self, before: Answers) -> Evidence:
        return Evidence(
            run=self._run,
            target=self._target,
            world=self._world,
            calls=self._calls,
            promises=self._promises,
            incidents=self._incidents,
            answers=self._model.answers().since(before),
            database=self._database,
            objects=Objects(self._target),
            alone=self._alone,
        )

    def _standing(self) -> Standing:
        return standing(self._database, [org.id for org in self._world], self._call_ids)

    def _await_quiet(self) -> bool:
        return await_quiet(self._standing, len(self._promises.accepted), self._deadline)
