"""Freeze a process for a while: `python -m clozone.drill.freezer PID IDENTITY SECONDS`.

SIGSTOP, a sleep, SIGCONT, in a process and session of its own: whatever ends the drill meanwhile,
SIGKILL among it, nobody stays frozen. SIGTERM ends the sleep early. Writes a line when the process
is frozen, and exits with 1 when it is gone.
"""

import os
import signal
import sys
import threading
import time
from contextlib import suppress

from clozone.local.identity import is_same, is_stopped

_LOOK_SECONDS = 0.01


def main() -> None:
    """Do as the module says."""
    pid, known, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    awake = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: awake.set())
    try:
        if not is_same(pid, known):
            sys.exit(1)
        os.kill(pid, signal.SIGSTOP)
        _await_standstill(pid, known)
        # Nobody may be there any more to read it.
        with suppress(OSError):
            sys.stdout.write("frozen\n")
            sys.stdout.flush()
        awake.wait(seconds)
    except ProcessLookupError:
        sys.exit(1)
    finally:
        if is_same(pid, known):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _await_standstill(pid: int, known: str) -> None:
    """The kernel stops a process at its next turn on a processor, which may be a while away."""
    while is_same(pid, known) and not is_stopped(pid):
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    main()
