"""Before PostgreSQL starts: nobody may be at work in its data folder any more.

Whoever calls this holds the home's lock, so a PostgreSQL that is found is a leftover.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from clozone.local.identity import PROC, entries

_GRACE_SECONDS = 15.0
_KILL_SECONDS = 5.0


def evict(data: Path) -> None:
    """End every PostgreSQL process in `data` and remove a lock file that has become stale.

    PostgreSQL itself takes its lock file for valid while any process has the number in it: another
    program that got it since, or a dead process that nobody has waited for.
    """
    server = _locked_by(data)
    if server in _at_work(data):
        with suppress(ProcessLookupError):
            os.kill(server, signal.SIGINT)
        _await_end(data, _GRACE_SECONDS)
    # Without their server the rest leave by themselves, but not at once.
    for pid in _at_work(data):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if _await_end(data, _KILL_SECONDS):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _locked_by(data: Path) -> int:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return 0


def _at_work(data: Path) -> list[int]:
    return [each.pid for each in entries() if not each.zombie and _works_in(each.pid, data)]


def _works_in(pid: int, data: Path) -> bool:
    folder = PROC / str(pid)
    try:
        # A PostgreSQL process stands in its data folder; so may a person's shell.
        return (folder / "cwd").readlink() == data and (
            folder / "exe"
        ).readlink().name == "postgres"
    except OSError:
        return False


def _await_end(data: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while _at_work(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True
