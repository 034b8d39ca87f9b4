"""The hand that does the damage: kills, freezes and wipes by schedule, and stirs the model."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle

import httpx2

from clozone.drill.incidents import Incidents
from clozone.drill.model_trouble import ModelTrouble
from clozone.drill.parts import WORKERS, Living, Parts
from clozone.drill.schedule import Act, Step
from clozone.drill.watch import Watch
from clozone.kit.clock import now

PARTS_AWAY_SECONDS = 30.0
WORK_SECONDS = 20.0
PROBE_SECONDS = 0.2


class Faults:
    """Works off a schedule in a thread. `failure` is what stopped it before its end, if anything."""

    def __init__(
        self, parts: Parts, trouble: ModelTrouble, incidents: Incidents, steps: Sequence[Step]
    ) -> None:
        self.failure: Exception | None = None
        self._parts = parts
        self._trouble = trouble
        self._incidents = incidents
        self._steps = steps
        self._stop = threading.Event()
        self._frozen: Living | None = None
        self._thaws: list[threading.Thread] = []
        self._at_work = cycle((True, False))
        self._watch = Watch(parts, incidents)
        self._hand = threading.Thread(target=self._work, name="faults", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._hand.start()
        self._watch.start()

    def await_done(self, deadline: float) -> None:
        """Return when the schedule is worked off or stopped by a failure, or at the `deadline`.

        That is one of the monotonic clock.
        """
        self._hand.join(max(deadline - time.monotonic(), 0.0))

    def end(self) -> None:
        """Stop, and put right what can be: nobody stays frozen, the model is in order again."""
        self._stop.set()
        self._hand.join()
        for thaw in self._thaws:
            thaw.join()
        self._watch.end()
        # It is never killed, but the drill may be ending because the whole bundle is gone.
        with suppress(httpx2.HTTPError):
            self._trouble.end()

    def await_everybody(self, seconds: float) -> list[str]:
        """Wait until every part is up again; the names of those that are not in time."""
        deadline = time.monotonic() + seconds
        names = self._parts.names()
        while missing := [name for name in names if not self._parts.is_ready(name)]:
            if time.monotonic() > deadline:
                break
            time.sleep(PROBE_SECONDS)
        return missing

    def _work(self) -> None:
        try:
            for step in self._steps:
                if self._stop.wait(step.after):
                    return
                self._trouble.stir()
                self._do(step)
        except Exception as error:
            self.failure = error

    def _do(self, step: Step) -> None:
        if step.act is Act.wipe:
            self._wipe()
        elif step.act is Act.freeze:
            self._freeze(step.victims[0], step.seconds)
        else:
            for name in step.victims:
                self._kill(name)

    def _wipe(self) -> None:
        at = now()
        while not self._parts.wipe_redis():
            if self._stop.wait(PROBE_SECONDS):
                return
            at = now()
        self._incidents.note(Act.wipe, "valkey", at).ended_at = now()

    def _kill(self, name: str) -> None:
        if name in WORKERS and next(self._at_work) and self._frozen is None:
            # By chance alone a short drill might meet them between two jobs only.
            living = self._parts.await_living(name, PARTS_AWAY_SECONDS)
            if living is not None:
                self._await_work(living)
        deadline = time.monotonic() + PARTS_AWAY_SECONDS
        while time.monotonic() < deadline:
            # A frozen worker has to wake up and find its jobs gone; the other does them meanwhile.
            spared = self._frozen is not None and name in WORKERS
            living = None if spared else self._parts.living(name)
            at = now()
            if living is not None and self._parts.kill(living):
                incident = self._incidents.note(Act.kill, name, at, living.pid)
                self._watch.expect_back(incident, living)
                return
            if self._stop.wait(PROBE_SECONDS):
                return

    def _freeze(self, name: str, seconds: float) -> None:
        living = self._parts.await_living(name, PARTS_AWAY_SECONDS)
        if living is None or self._frozen or not self._await_work(living):
            return
        at = now()
        freezer = self._parts.freeze(living, seconds)
        if freezer is None:
            return
        self._frozen = living
        incident = self._incidents.note(Act.freeze, name, at, living.pid)

        def thaw() -> None:
            while freezer.poll() is None:
                if self._stop.wait(PROBE_SECONDS):
                    freezer.terminate()
                    break
            freezer.communicate()
            incident.ended_at = now()
            self._frozen = None

        self._thaws.append(threading.Thread(target=thaw, name="thaw", daemon=True))
        self._thaws[-1].start()

    def _await_work(self, worker: Living) -> bool:
        """Wait until the worker asks the model for a job: to hit an idle one would show little."""
        self._trouble.slow_down()
        deadline = time.monotonic() + WORK_SECONDS
        while not self._trouble.is_asking(worker.pid):
            if time.monotonic() > deadline or self._stop.wait(PROBE_SECONDS):
                return False
        return True
