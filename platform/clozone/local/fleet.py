"""The processes of one bundle: started in their order, stopped from the outside in."""

import signal
import threading
import time
from collections.abc import Collection
from contextlib import suppress

from clozone.local import application
from clozone.local.errors import BundleError
from clozone.local.journal import Journal
from clozone.local.parts import APPLICATION, STOP_ORDER, applications, part_of, servers, standbys
from clozone.local.plan import Plan
from clozone.local.process import ManagedProcess
from clozone.local.starting import (
    COMPONENTS_SECONDS,
    Listener,
    Progress,
    await_components,
    await_platform,
    require_alive,
    start_together,
)


class Fleet:
    """What runs: `processes` by name, and `passing`, those that are coming or going beside one of
    their name. `stopping` is set from outside when all of it is to end.
    """

    def __init__(self, journal: Journal, stopping: threading.Event) -> None:
        self.processes: dict[str, ManagedProcess] = {}
        self.passing: list[ManagedProcess] = []
        self.journal = journal
        self.stopping = stopping

    def all(self) -> list[ManagedProcess]:
        """Every process; two of one name while one replaces the other."""
        return [*self.processes.values(), *self.passing]

    def process(self, name: str) -> ManagedProcess:
        """One process by its name. Raises BundleError when there is none."""
        if name not in self.processes:
            raise BundleError(
                f"There is no process {name}; there are: {', '.join(self.processes)}."
            )
        return self.processes[name]

    def start(self, plan: Plan, parts: Collection[str], progress: Listener) -> None:
        """Start the processes of `parts`; returns when they are ready and know each other.

        Raises Interrupted when it is to stop meanwhile, BundleError when one of them cannot start;
        what was started keeps running either way.
        """
        first = [ManagedProcess(spec, self.journal.write) for spec in servers(plan, parts)]
        behind = [ManagedProcess(spec, self.journal.write) for spec in standbys(plan, parts)]
        second = [ManagedProcess(spec, self.journal.write) for spec in applications(plan, parts)]
        self.processes = {process.name: process for process in (*first, *behind, *second)}
        self.journal.processes = self.all
        self.journal.enter("starting")
        start_together(first, progress, self.stopping)
        start_together(behind, progress, self.stopping)
        if second:
            self._set_up(plan, progress)
            start_together(second, progress, self.stopping)
            require_alive(second)
        if {"nginx", "web"} <= set(parts):
            await_platform(plan, self.stopping)
        if set(parts) >= APPLICATION and (missing := await_components(plan, self.stopping)):
            progress(Progress("platform", f"without: {', '.join(missing)}", COMPONENTS_SECONDS))

    def stop(self, progress: Listener) -> None:
        """Stop everything, gracefully, in order."""
        for group in STOP_ORDER:
            members = [p for p in self.all() if p.is_supervised and part_of(p.name) in group]
            threads = [threading.Thread(target=process.stop) for process in members]
            began = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for process in members:
                progress(Progress(process.name, "stopped", time.monotonic() - began))

    def kill(self) -> None:
        """Kill everything."""
        for process in self.all():
            # It may have ended by itself a moment ago.
            with suppress(BundleError):
                process.send(signal.SIGKILL)

    def _set_up(self, plan: Plan, progress: Listener) -> None:
        began = time.monotonic()

        def on_step(name: str) -> None:
            self.journal.step = name
            self.journal.write()
            progress(Progress(name, "running", time.monotonic() - began))

        application.set_up(plan, self.stopping.is_set, on_step)
        self.journal.step = ""
