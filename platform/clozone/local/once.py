"""Commands that run to their end before the bundle goes on: initdb, migrate, bootstrap."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from clozone.local.errors import BundleError, Interrupted
from clozone.local.logs import last_lines
from clozone.local.privileges import Account
from clozone.local.spec import guarded

_POLL_SECONDS = 0.1


def run_once(
    name: str,
    command: tuple[str, ...],
    *,
    env: Mapping[str, str],
    folder: Path,
    log: Path,
    account: Account | None = None,
    give_up: Callable[[], bool] = bool,
    timeout: float = 120.0,
) -> None:
    """Run `command` with its output in `log`. It dies with this process.

    Raises BundleError with the last lines of the log when it fails or takes longer than `timeout`
    seconds, and Interrupted when `give_up` says so.
    """
    guard = guarded(command, os.getpid(), signal.SIGTERM, account)
    with log.open("ab") as output:
        begin = output.tell()
        child = subprocess.Popen(  # noqa: S603
            guard,
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    waited = 0.0
    while True:
        try:
            code = child.wait(_POLL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            waited += _POLL_SECONDS
        if give_up() or waited > timeout:
            child.terminate()
            child.wait()
            if give_up():
                raise Interrupted(f"Stopped while {name} was running.")
            raise BundleError(f"{name} did not end within {timeout:.0f} s. See {log}.")
    if code != 0:
        lines = "\n".join(f"    {line}" for line in last_lines(log, 12, since=begin))
        raise BundleError(f"{name} failed (exit code {code}):\n{lines}\nThe whole log: {log}")
