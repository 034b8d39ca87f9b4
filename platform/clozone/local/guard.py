"""Become another program that does not outlive the bundle.

Run as a script, without site packages: `guard.py PARENT SIGNAL UID GID PROGRAM ARGUMENT…`. It gives
up root for UID and GID (-1: keep), asks the kernel for SIGNAL when the parent dies (Linux), undoes
what Python and the shell did to signals, and executes PROGRAM. A wrapper rather than code between
fork and exec, which would have to run in a copy of a process with many threads.
"""

import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Do as the module says; does not return."""
    parent, death_signal, uid, gid = (int(word) for word in sys.argv[1:5])
    command = sys.argv[5:]
    on_parents_death = _load_prctl()
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    # After setuid, which clears it.
    on_parents_death(death_signal)
    if os.getppid() != parent:
        sys.exit(f"{command[0]}: the bundle is gone")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGXFSZ", "SIGUSR1"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


def _load_prctl() -> Callable[[int], object]:
    """The request to the kernel; nothing where there is none.

    Loaded as root still: the other account may not be able to read Python's own files.
    """
    if sys.platform != "linux":
        return lambda death_signal: None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda death_signal: prctl(_PR_SET_PDEATHSIG, death_signal)


if __name__ == "__main__":
    main()
