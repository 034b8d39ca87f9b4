"""One supervised process: started, watched, restarted when it dies, stopped when told."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from typing import Literal

from clozone.kit.clock import now
from clozone.local.announcement import Announcement
from clozone.local.errors import BundleError
from clozone.local.identity import identity
from clozone.local.spec import ProcessSpec, guarded

State = Literal["stopped", "starting", "ready", "waiting to restart", "stopping"]

_FIRST_BACKOFF = 0.2
_LONGEST_BACKOFF = 10.0
_STABLE_SECONDS = 30.0
_PROBE_SECONDS = 0.02
_SLOWEST_PROBE_SECONDS = 0.25


class ManagedProcess:
    """A process of the bundle and the thread that watches it.

    One that `takes_over` is to replace another of the same name: it says itself when it is ready
    (`--ready-fd`), and if it dies before that, it is not started again.

    The thread that starts a process also waits for it: the kernel's "parent died" signal is tied to
    the starting thread, not to the process it belongs to.
    """

    def __init__(
        self, spec: ProcessSpec, on_change: Callable[[], None], *, takes_over: bool = False
    ) -> None:
        self.spec = spec
        self.state: State = "stopped"
        self.pid: int | None = None
        self.identity: str | None = None
        self.started_at: datetime | None = None
        self.restarts = 0
        self.last_exit: int | None = None
        self.refusal: BundleError | None = None
        self._on_change = on_change
        self._announcement = Announcement() if takes_over else None
        self._changed = threading.Condition()
        self._child: subprocess.Popen[bytes] | None = None
        self._launches = 0
        self._asked_to_stop = False
        self._asked_to_restart = False
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """The name it goes by in status and logs."""
        return self.spec.name

    @property
    def is_supervised(self) -> bool:
        """Whether it has been told to run, and not yet to stop."""
        return self._thread is not None

    def start(self) -> None:
        """Start it and keep it running. Returns at once; see `wait_ready`."""
        self._asked_to_stop = False
        self.refusal = None
        with self._changed:
            # Here and not in the thread: whoever waits next must not see it still stopped.
            self._set("starting")
        self._thread = threading.Thread(target=self._supervise, name=self.name, daemon=True)
        self._thread.start()

    def wait_ready(
        self, timeout: float, *, since_launch: int = 0, give_up: Callable[[], bool] = bool
    ) -> bool:
        """Wait until it is ready in a launch later than `since_launch`; False if it never was.

        Its probe may know that it never will be; `refusal` then says why.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (self.state == "ready" and self._launches > since_launch):
                left = deadline - time.monotonic()
                if left <= 0 or self.state == "stopped" or self.refusal or give_up():
                    return False
                self._changed.wait(min(left, 0.2))
        return True

    def send(self, signum: int) -> None:
        """Send it a signal. Raises BundleError when it does not run."""
        with self._changed:
            if self.pid is None:
                raise BundleError(f"{self.name} is not running.")
            # The number cannot belong to anybody else: it is reaped under this lock only.
            os.kill(self.pid, signum)

    def restart(self) -> int:
        """Stop it gracefully and start it again; returns the launch to wait beyond."""
        with self._changed:
            launch = self._launches
            if self.pid is None:
                return launch - 1
            self._asked_to_restart = True
            self._set("stopping")
        self._terminate(launch)
        return launch

    def stop(self) -> None:
        """Stop it: gracefully, and by force when its grace is over. Returns when it is gone."""
        with self._changed:
            self._asked_to_stop = True
            launch = self._launches
            if self.state not in ("stopped", "waiting to restart"):
                self._set("stopping")
            self._changed.notify_all()
        self._terminate(launch)
        if self._thread:
            self._thread.join()
            self._thread = None

    def _supervise(self) -> None:
        failures = 0
        while not self._asked_to_stop:
            born = time.monotonic()
            # Out of processes or of disk for the log: as good as a process that died at once.
            with suppress(OSError):
                if not self._launch():
                    break
                self._await_exit()
            if self._asked_to_stop or self._announcement:
                break
            with self._changed:
                if self._asked_to_restart:
                    self._asked_to_restart = False
                    continue
                failures = 0 if time.monotonic() - born > _STABLE_SECONDS else failures + 1
                self.restarts += 1
                self._set("waiting to restart")
                pause = min(_FIRST_BACKOFF * 2 ** max(failures - 1, 0), _LONGEST_BACKOFF)
                self._changed.wait_for(lambda: self._asked_to_stop, pause)
        with self._changed:
            self._set("stopped")

    def _launch(self) -> bool:
        """Start the program; False if it was told to stop meanwhile."""
        spec = self.spec
        announcement: AbstractContextManager[tuple[int, ...]] = self._announcement or nullcontext(
            ()
        )
        with self._changed, announcement as descriptors, spec.log.open("ab") as log:
            if self._asked_to_stop:
                return False
            words = [f"--ready-fd={each}" for each in descriptors]
            command = guarded((*spec.command, *words), os.getpid(), spec.stop_signal, spec.account)
            self._child = subprocess.Popen(  # noqa: S603
                command,
                env=dict(spec.env),
                cwd=spec.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                start_new_session=True,
            )
            self.pid = self._child.pid
            self.identity = identity(self.pid)
            self.started_at = now()
            self._launches += 1
            self._set("starting")
            launch = self._launches
        threading.Thread(target=self._probe, args=(launch,), daemon=True).start()
        return True

    def _probe(self, launch: int) -> None:
        pause = _PROBE_SECONDS
        while self._launches == launch and self.state == "starting" and not self.refusal:
            if self._is_ready():
                with self._changed:
                    if self._launches == launch and self.state == "starting":
                        self._announcement = None
                        self._set("ready")
                return
            time.sleep(pause)
            pause = min(pause * 1.2, _SLOWEST_PROBE_SECONDS)

    def _is_ready(self) -> bool:
        announcement = self._announcement
        try:
            return announcement.heard() if announcement else self.spec.ready()
        except BundleError as error:
            self.refusal = error
        except Exception:
            # The server may be half up; whatever a probe meets means "not yet".
            return False
        return False

    def _await_exit(self) -> None:
        child = self._child
        assert child is not None  # noqa: S101 -- set by _launch, which always comes first
        # Leave it a zombie for now: that keeps its number, and its group's, from being reused.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with self._changed:
            # What it started and left behind would hold its port (nginx workers do).
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            self.last_exit = child.wait()
            self.pid = self.identity = self.started_at = None
            self._changed.notify_all()

    def _terminate(self, launch: int) -> None:
        for signum, patience in (
            (self.spec.stop_signal, self.spec.grace_seconds),
            (signal.SIGKILL, 5.0),
        ):
            with self._changed:
                if self.pid is None or self._launches != launch:
                    return
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signum)
                self._changed.wait_for(
                    lambda: self.pid is None or self._launches != launch, patience
                )

    def _set(self, state: State) -> None:
        self.state = state
        self._changed.notify_all()
        self._on_change()
