"""The eye on the parts: when each that was killed is back, and which workers end by themselves."""

import threading
import time
from contextlib import suppress

from clozone.drill.errors import DrillError
from clozone.drill.incidents import Incident, Incidents
from clozone.drill.parts import WORKERS, Living, Parts
from clozone.drill.schedule import Act
from clozone.kit.clock import now

PROBE_SECONDS = 0.2


class Watch:
    """Looks on in a thread, until it is ended and everybody who was killed is back."""

    def __init__(self, parts: Parts, incidents: Incidents) -> None:
        self._parts = parts
        self._incidents = incidents
        self._away: list[tuple[Incident, Living]] = []
        self._seen: dict[str, Living] = {}
        self._missed: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def expect_back(self, incident: Incident, killed: Living) -> None:
        """Note in the incident when another process has taken the killed one's place."""
        with self._lock:
            self._away.append((incident, killed))

    def end(self) -> None:
        """Stop looking for deaths; whoever is away still has its return noted."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set() or self._away:
            with self._lock:
                away = list(self._away)
            # The supervisor writes its state anew at this moment, or has ended.
            with suppress(DrillError):
                for incident, killed in away:
                    self._note_return(incident, killed)
                for name in WORKERS:
                    self._note_death(name)
            time.sleep(PROBE_SECONDS)

    def _note_return(self, incident: Incident, killed: Living) -> None:
        living = self._parts.living(killed.name)
        if living is None or living.pid == killed.pid or not self._parts.is_ready(killed.name):
            return
        incident.ended_at = now()
        with self._lock:
            self._away.remove((incident, killed))

    def _note_death(self, name: str) -> None:
        """A worker that is gone though nobody killed it: what it ran was lost with it."""
        living, seen = self._parts.living(name), self._seen.get(name)
        if seen is None or living == seen or self._incidents.was_killed(seen.pid):
            self._missed.discard(name)
        elif name not in self._missed:
            # The drill notes a kill just after it: look again before blaming nobody.
            self._missed.add(name)
            return
        else:
            self._missed.discard(name)
            self._incidents.note(Act.death, name, now(), seen.pid).ended_at = now()
        if living is not None:
            self._seen[name] = living
        else:
            self._seen.pop(name, None)
