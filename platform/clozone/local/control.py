"""Acting on a bundle that another process supervises."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.leftovers import end_leftovers_in
from clozone.local.logs import last_lines, rotate
from clozone.local.state import BundleState, read_state, write_state

_POLL_SECONDS = 0.05
_APPEARS_SECONDS = 20.0
# The sum of what each group of processes may take to stop.
_STOP_SECONDS = 120.0


def start_detached(
    home: Home, port: int | None, *, replica: bool = False
) -> subprocess.Popen[bytes]:
    """Start a supervisor that outlives this process and its terminal."""
    home.prepare()
    log = home.log("supervisor")
    # What it says belongs to this start: an older one's last words would be taken for its own.
    rotate(log, limit=0)
    words = ["up", "--supervise", *(["--port", str(port)] if port is not None else [])]
    if replica:
        words.append("--replica")
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "clozone", *words],
            env=os.environ | {"CLOZONE_HOME": str(home.root)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def await_detached(
    home: Home, supervisor: subprocess.Popen[bytes], on_state: Callable[[BundleState], None]
) -> BundleState:
    """Wait until that supervisor says ready. `on_state` sees each state on the way.

    Raises BundleError with the supervisor's own words when it ends instead.
    """
    while True:
        code = supervisor.poll()
        state = read_state(home.state)
        if state and state.supervisor_pid != supervisor.pid:
            state = None
        if state:
            on_state(state)
            if state.phase == "ready":
                return state
        if code is not None:
            said = "\n".join(last_lines(home.log("supervisor"), 20))
            raise BundleError((state and state.error) or said.removeprefix("Error: "))
        time.sleep(_POLL_SECONDS)


def await_running(home: Home, on_state: Callable[[BundleState], None]) -> BundleState | None:
    """Wait until the supervisor that holds `home` says ready; None if it ends instead."""
    while home.is_locked():
        state = read_state(home.state)
        if state and state.supervisor_lives:
            on_state(state)
            if state.phase == "ready":
                return state
        time.sleep(_POLL_SECONDS)
    return None


def stop_running(home: Home) -> bool:
    """Stop the bundle in `home`, and whatever a killed supervisor left. False if nothing ran.

    Raises BundleError when it does not end in time.
    """
    if not home.run.exists():
        return False
    if not home.is_locked():
        return _end_orphans(home)
    state = _await_state(home)
    with suppress(ProcessLookupError):
        os.kill(state.supervisor_pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while home.is_locked():
        if time.monotonic() > deadline:
            raise BundleError(
                f"The supervisor (process {state.supervisor_pid}) does not end. Its log: "
                f"{home.log('supervisor')}"
            )
        time.sleep(_POLL_SECONDS)
    return True


def _await_state(home: Home) -> BundleState:
    """The state of a supervisor that holds the lock but may not have written it yet."""
    deadline = time.monotonic() + _APPEARS_SECONDS
    while time.monotonic() < deadline and home.is_locked():
        state = read_state(home.state)
        if state and state.supervisor_lives:
            return state
        time.sleep(_POLL_SECONDS)
    raise BundleError(f"{home.root} is in use, but by whom cannot be read from {home.state}.")


def _end_orphans(home: Home) -> bool:
    ended = end_leftovers_in(home)
    if ended and (state := read_state(home.state)):
        write_state(home.state, replace(state, phase="stopped", processes=[]))
    return bool(ended)
