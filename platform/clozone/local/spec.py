"""How one process of the bundle is run."""

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clozone.local.privileges import Account

GUARD = Path(__file__).with_name("guard.py")


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: what to execute and how to tell that it is ready.

    `prepare` runs once before the first start (folders, configuration); `ready` is asked until it
    says yes, or raises BundleError because it never will; `finish` runs once after that (roles, a
    bucket). `grace_seconds` is how long the process may take to stop after `stop_signal`.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    log: Path
    ready: Callable[[], bool]
    port: int | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    prepare: Callable[[], None] = field(default=nothing)
    finish: Callable[[], None] = field(default=nothing)


def guarded(
    command: tuple[str, ...], parent: int, death_signal: int, account: Account | None
) -> list[str]:
    """`command` behind the guard, so that it dies with `parent` and runs as `account`."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    words = [str(word) for word in (parent, int(death_signal), uid, gid)]
    return [sys.executable, "-I", "-S", str(GUARD), *words, *command]
