"""After a supervisor that was killed: end what it left behind, and nothing else."""

import os
import signal
import time
from contextlib import suppress

from clozone.local.home import Home
from clozone.local.identity import entries, identity, is_same
from clozone.local.postgres_place import REPLICA
from clozone.local.state import BundleState, ProcessRecord, read_state

# The kernel has already sent each process its own stop signal when the supervisor died; most are
# gone or on their way.
GRACE_SECONDS = 8.0


def end_leftovers_in(home: Home) -> list[str]:
    """End what a dead supervisor of `home` left running; the names of those processes.

    Whoever calls this holds the home's lock, or has seen that nobody does.
    """
    state = read_state(home.state)
    if state is None or state.phase == "stopped" or state.supervisor_lives:
        return []
    return end_leftovers(state)


def end_leftovers(state: BundleState, grace_seconds: float = GRACE_SECONDS) -> list[str]:
    """End every process of a dead supervisor; returns the names of those that were still there.

    A process is recognised by number and start time, so a number that now belongs to another
    program is left alone.
    """
    found = {pid: record for record in state.processes for pid in _survivors(record)}
    known = {pid: identity(pid) for pid in found}
    names = sorted({record.name for record in found.values()})
    for signum, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 3.0)):
        for pid, record in found.items():
            if is_same(pid, known[pid]):
                with suppress(ProcessLookupError):
                    os.kill(pid, _gentle(record) if signum == signal.SIGTERM else signum)
                    os.kill(pid, signal.SIGCONT)
        deadline = time.monotonic() + patience
        while any(is_same(pid, known[pid]) for pid in found) and time.monotonic() < deadline:
            time.sleep(0.03)
    return names


def _survivors(record: ProcessRecord) -> list[int]:
    if record.pid is None or record.identity is None:
        return []
    leader = identity(record.pid)
    if leader == record.identity:
        return [record.pid]
    if leader is not None:
        return []
    # The process is gone; its children keep its number as their session's, and so reserve it.
    boot, _, born = record.identity.partition(":")
    return [
        each.pid
        for each in entries()
        if each.session == record.pid
        and not each.zombie
        and each.started >= int(born)
        and (identity(each.pid) or "").startswith(f"{boot}:")
    ]


def _gentle(record: ProcessRecord) -> signal.Signals:
    # To PostgreSQL SIGTERM means: wait for every client to leave.
    return signal.SIGINT if record.name in {"postgres", REPLICA} else signal.SIGTERM
