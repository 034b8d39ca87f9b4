"""The local bundle: real servers and our own processes, as one thing to start and to stop.

    with Bundle(Path("data"), port=0, parts=BACKING) as bundle:
        environment = bundle.environment()

Whoever starts it supervises it: the processes end with the one that called `start`.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from clozone.local.environment import platform_environment
from clozone.local.errors import BundleError, Interrupted
from clozone.local.fleet import Fleet
from clozone.local.home import Home
from clozone.local.journal import Journal
from clozone.local.leftovers import end_leftovers_in
from clozone.local.logs import rotate
from clozone.local.options import Options
from clozone.local.parts import APPLICATION, BACKING, EVERYTHING, EXTRAS, with_port
from clozone.local.plan import Plan
from clozone.local.planning import make_plan
from clozone.local.postgres import SUPERUSER, postgres_url
from clozone.local.postgres_place import remove_data
from clozone.local.process import ManagedProcess
from clozone.local.reload_files import forget_requests
from clozone.local.reload_request import obey_requests
from clozone.local.rolling import RELOADABLE, changed_plan, roll
from clozone.local.starting import Listener, Progress, describe_failure, unheard
from clozone.local.state import BundleState, Phase, read_state

__all__ = [
    "APPLICATION",
    "BACKING",
    "EVERYTHING",
    "EXTRAS",
    "RELOADABLE",
    "AlreadyRunning",
    "Bundle",
    "Progress",
]

_LOOK_EVERY_SECONDS = 0.25
_ROTATE_EVERY_SECONDS = 60.0


class AlreadyRunning(BundleError):
    """Another supervisor holds this home; `state` is what it says about itself."""

    def __init__(self, state: BundleState | None) -> None:
        super().__init__("Clozone is already running" + (f" at {state.url}." if state else "."))
        self.state = state


class Bundle:
    """One home and what runs in it.

    `port` is the public one, 0 for any free one, None for `CLOZONE_PORT`. `env` is the environment
    that the processes inherit and that chooses among the options; the default is our own. `parts`
    is what to start, out of `EVERYTHING` and `EXTRAS`; the default is `EVERYTHING`.
    """

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        parts: Iterable[str] | None = None,
    ) -> None:
        self.home = Home.at(home)
        self._env = dict(os.environ if env is None else env)
        self._options = with_port(Options.from_environment(self._env), port)
        self._parts = frozenset(EVERYTHING if parts is None else parts)
        if unknown := self._parts - EVERYTHING - EXTRAS:
            raise BundleError(f"There is no part {', '.join(sorted(unknown))} in the bundle.")
        self._plan: Plan | None = None
        self._reloading = threading.Lock()
        self._lock: IO[str] | None = None
        self._stopping = threading.Event()
        self._journal = Journal(self.home)
        self._fleet = Fleet(self._journal, self._stopping)

    # ---- Life -----------------------------------------------------------------------------------

    def start(self, progress: Listener = unheard) -> None:
        """Start everything; returns when it is ready. `progress` hears of each step, from threads.

        Raises AlreadyRunning when the home is taken, Interrupted after `request_stop`, BundleError
        when something cannot start; in the last two cases everything is stopped again.
        """
        began = time.monotonic()
        self.home.prepare()
        self._lock = self.home.lock()
        if self._lock is None:
            raise AlreadyRunning(read_state(self.home.state))
        self._stopping.clear()
        forget_requests(self.home)
        self._journal = Journal(self.home)
        self._fleet = Fleet(self._journal, self._stopping)
        try:
            self._start(progress)
        except BaseException as error:
            self._journal.error = str(error)
            self._stop("stopped" if isinstance(error, Interrupted) else "failed", progress)
            if isinstance(error, OSError):
                raise BundleError(
                    f"{error.filename or self.home.root}: {error.strerror}"
                ) from error
            raise
        self._journal.start_seconds = round(time.monotonic() - began, 2)
        self._journal.enter("ready")

    def stop(self, progress: Listener = unheard) -> None:
        """Stop everything, gracefully, in order. Does nothing when nothing runs."""
        self._stopping.set()
        if self._lock is not None:
            self._stop("stopped", progress)

    def request_stop(self) -> None:
        """Ask for the end, from a signal handler or another thread: `start` and `wait` return."""
        self._stopping.set()

    def wait(self) -> None:
        """Keep the bundle running until `request_stop`.

        Meanwhile, do what `clozone reload` asks for and keep the logs small.
        """
        rotated = time.monotonic()
        while not self._stopping.wait(_LOOK_EVERY_SECONDS):
            obey_requests(self.home, self.reload)
            if time.monotonic() - rotated > _ROTATE_EVERY_SECONDS:
                self._rotate_logs()
                rotated = time.monotonic()

    def stop_at_once(self) -> None:
        """Kill everything. PostgreSQL recovers at the next start; what ran is run again.

        May be called in a signal handler: the work is done in a thread, which can wait for locks.
        """
        threading.Thread(target=self._fleet.kill).start()

    def destroy(self) -> None:
        """Stop everything and delete the home with all data in it."""
        self.stop()
        remove_data(self.home)
        shutil.rmtree(self.home.root, ignore_errors=True)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    # ---- What runs ------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address of nginx on this machine; empty before the start."""
        return self._journal.url

    @property
    def start_seconds(self) -> float | None:
        """How long the start took; None before."""
        return self._journal.start_seconds

    @property
    def processes(self) -> list[ManagedProcess]:
        """Every process of this bundle; two of one name while one replaces the other."""
        return self._fleet.all()

    def process(self, name: str) -> ManagedProcess:
        """One process, `postgres`, `web-1`, `worker` … Raises BundleError when there is none."""
        return self._fleet.process(name)

    def kill(self, name: str, signum: int = signal.SIGKILL) -> None:
        """Send a process a signal. If it dies of it, it is started again, as after any death."""
        self.process(name).send(signum)

    def restart(self, name: str, timeout: float = 60.0) -> None:
        """Stop one process gracefully, start it again and wait until it is ready."""
        process = self.process(name)
        launch = process.restart()
        if not process.wait_ready(timeout, since_launch=launch):
            raise BundleError(describe_failure(process))

    def reload(
        self,
        only: Iterable[str] = (),
        changes: Mapping[str, str] | None = None,
        progress: Listener = unheard,
    ) -> None:
        """Replace our own processes, one by one, by new ones of the code and settings of now.

        No request fails meanwhile: see `clozone.local.rolling`. `only` names parts out of
        RELOADABLE; the default is all of them. `changes` are environment variables that are new; an
        empty value takes one away. Raises BundleError, and leaves running what ran, when the new
        state is not sound or a new process does not become ready.
        """
        if not self._reloading.acquire(blocking=False):
            raise BundleError("A reload is already under way.")
        try:
            plan = changed_plan(self._planned(), changes or {}, self._fleet.processes)
            roll(plan, set(only or RELOADABLE) & self._parts, self._fleet, progress)
            self._plan = plan
        finally:
            self._reloading.release()

    def environment(self) -> dict[str, str]:
        """The variables that a process of ours needs besides the inherited ones."""
        return platform_environment(self._planned())

    def superuser_url(self, database: str = "postgres") -> str:
        """PostgreSQL's superuser, for what the owner of one database may not do."""
        return postgres_url(self._planned(), SUPERUSER, database)

    def _planned(self) -> Plan:
        if self._plan is None:
            raise BundleError("The bundle has not been started.")
        return self._plan

    # ---- How ------------------------------------------------------------------------------------

    def _start(self, progress: Listener) -> None:
        began = time.monotonic()
        if ended := end_leftovers_in(self.home):
            took = time.monotonic() - began
            progress(Progress("leftovers", f"ended: {', '.join(ended)}", took))
        plan = self._plan = make_plan(self.home, self._options, self._env, self._parts)
        self._journal.url = f"http://localhost:{plan.public_port}"
        self._rotate_logs()
        self._fleet.start(plan, self._parts, progress)

    def _stop(self, last_phase: Phase, progress: Listener) -> None:
        self._stopping.set()
        self._journal.enter("stopping")
        self._fleet.stop(progress)
        self._journal.enter(last_phase)
        if self._lock:
            self._lock.close()
            self._lock = None

    def _rotate_logs(self) -> None:
        for file in self.home.logs.glob("*.log"):
            rotate(file)
