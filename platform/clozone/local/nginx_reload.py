"""Giving a running nginx another configuration, without a request that fails."""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from clozone.local.errors import BundleError
from clozone.local.identity import entries
from clozone.local.nginx_configuration import (
    Configuration,
    in_force,
    is_written,
    put_in_force,
    remove_superseded,
    write_configuration,
)
from clozone.local.process import ManagedProcess
from clozone.local.spec import ProcessSpec

_TEST_SECONDS = 20.0
_SWITCH_SECONDS = 10.0


def reload_nginx(process: ManagedProcess, spec: ProcessSpec, wanted: Configuration) -> str:
    """Bring nginx to the configuration `wanted`: "reloaded", or "unchanged" when it has it already.

    Raises BundleError, with the former configuration in force, when nginx does not take it.
    """
    folder = spec.folder
    try:
        before = in_force(folder)
        if is_written(folder, before, wanted):
            return "unchanged"
        try:
            candidate = write_configuration(folder, wanted)
            _test(spec, candidate)
            _switch(process, folder, before, candidate)
        finally:
            remove_superseded(folder)
    except OSError as error:
        raise BundleError(
            f"nginx keeps its configuration: {error.filename or folder}: {error.strerror}"
        ) from error
    process.spec = spec
    return "reloaded"


def _test(spec: ProcessSpec, candidate: str) -> None:
    """Have nginx look at a configuration not in force. Raises BundleError if it is wrong."""
    try:
        result = subprocess.run(  # noqa: S603
            # Of several -c the last counts.
            [*spec.command, "-c", f"{candidate}/nginx.conf", "-t"],
            env=dict(spec.env),
            cwd=spec.folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BundleError(
            f"nginx -t did not end within {_TEST_SECONDS:.0f} s; nginx keeps its configuration."
        ) from error
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise BundleError(
            f"nginx does not take its new configuration and keeps the old one:\n{said}"
        )


def _switch(process: ManagedProcess, folder: Path, before: str, candidate: str) -> None:
    """Let new workers take over; the old ones end once they have answered."""
    try:
        old = _workers(process)
        put_in_force(folder, candidate)
        process.send(signal.SIGHUP)
        _await_other_workers(process, old)
    except BaseException:
        put_in_force(folder, before)
        # It may read what was in force a moment ago, only late: its last look must be at this.
        with suppress(BundleError):
            process.send(signal.SIGHUP)
        raise


def _await_other_workers(process: ManagedProcess, old: set[int]) -> None:
    deadline = time.monotonic() + _SWITCH_SECONDS
    while not _workers(process) - old:
        if time.monotonic() > deadline:
            raise BundleError(
                "nginx did not start a worker with its new configuration, and is told to keep the "
                f"old one. Its log: {process.spec.log}"
            )
        time.sleep(0.02)


def _workers(process: ManagedProcess) -> set[int]:
    return {each.pid for each in entries() if each.parent == process.pid and not each.zombie}
