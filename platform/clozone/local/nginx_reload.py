"""Giving a running nginx another configuration, without a request that fails."""

import signal
import subprocess
import time

from clozone.local.errors import BundleError
from clozone.local.identity import entries
from clozone.local.nginx import CONFIGURATION
from clozone.local.process import ManagedProcess
from clozone.local.spec import ProcessSpec

_TEST_SECONDS = 20.0
_SWITCH_SECONDS = 10.0


def reload_nginx(process: ManagedProcess, spec: ProcessSpec) -> str:
    """Bring nginx to the configuration of `spec`: "reloaded", or "unchanged" when it has it already.

    Raises BundleError, with the former configuration in force, when nginx does not take it.
    """
    files = [spec.folder / name for name in CONFIGURATION.values()]
    before = [file.read_text() for file in files]
    spec.prepare()
    if [file.read_text() for file in files] == before:
        return "unchanged"
    try:
        _test(spec)
        _switch(process)
    except BundleError:
        for file, text in zip(files, before, strict=True):
            file.write_text(text)
        raise
    process.spec = spec
    return "reloaded"


def _test(spec: ProcessSpec) -> None:
    result = subprocess.run(  # noqa: S603
        [*spec.command, "-t"],
        env=dict(spec.env),
        cwd=spec.folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_TEST_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise BundleError(
            f"nginx does not take its new configuration and keeps the old one:\n{said}"
        )


def _switch(process: ManagedProcess) -> None:
    """Let new workers take over; the old ones end once they have answered."""
    before = _workers(process)
    process.send(signal.SIGHUP)
    deadline = time.monotonic() + _SWITCH_SECONDS
    while not _workers(process) - before:
        if time.monotonic() > deadline:
            raise BundleError(
                f"nginx did not start a worker with its new configuration. Its log: {process.spec.log}"
            )
        time.sleep(0.02)


def _workers(process: ManagedProcess) -> set[int]:
    return {each.pid for each in entries() if each.parent == process.pid and not each.zombie}
