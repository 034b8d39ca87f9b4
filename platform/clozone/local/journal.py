"""The running account of a bundle: what `status` reads while the bundle lives, and after."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from clozone.kit.clock import iso, now
from clozone.local.home import Home
from clozone.local.identity import identity
from clozone.local.process import ManagedProcess
from clozone.local.state import BundleState, Phase, records_of, write_state


class Journal:
    """Keeps the state file true. `write` may be called from any thread, at every change."""

    def __init__(self, home: Home) -> None:
        self.url = ""
        self.step = ""
        self.error = ""
        self.start_seconds: float | None = None
        self.processes: Callable[[], Iterable[ManagedProcess]] = tuple
        self._phase: Phase = "stopped"
        self._file = home.state
        self._started_at = iso(now())
        self._writing = threading.Lock()

    def enter(self, phase: Phase) -> None:
        """A new phase of the bundle's life."""
        self._phase = phase
        self.write()

    def write(self) -> None:
        """Write down how things stand."""
        with self._writing:
            state = BundleState(
                phase=self._phase,
                url=self.url,
                supervisor_pid=os.getpid(),
                supervisor_identity=identity(os.getpid()),
                started_at=self._started_at,
                start_seconds=self.start_seconds,
                step=self.step,
                error=self.error,
                processes=records_of(self.processes()),
            )
            # A full disk must not bring down what runs; the file then keeps the last state.
            with suppress(OSError):
                write_state(self._file, state)
