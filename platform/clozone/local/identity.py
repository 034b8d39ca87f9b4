"""Who a process is. A number alone may have been given to another since."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One line of the process table. `started` is in clock ticks since the machine started."""

    pid: int
    parent: int
    session: int
    started: int
    state: str

    @property
    def zombie(self) -> bool:
        """Whether it has ended, and its parent has not yet asked how."""
        return self.state in "ZX"


def entry(pid: int) -> ProcessEntry | None:
    """The process `pid`, or None if there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name stands in parentheses and may hold anything, even parentheses.
    state, parent, _group, session, *rest = text[text.rindex(")") + 2 :].split()
    return ProcessEntry(pid, int(parent), int(session), int(rest[15]), state)


def entries() -> Iterator[ProcessEntry]:
    """Every process there is."""
    for name in os.listdir(PROC):  # noqa: PTH208 -- a hot loop over names only
        if name.isdigit() and (found := entry(int(name))):
            yield found


def identity(pid: int) -> str | None:
    """What tells this process from every other with its number; None if it is gone."""
    found = entry(pid)
    return None if found is None or found.zombie else f"{_boot()}:{found.started}"


def is_stopped(pid: int) -> bool:
    """Whether the process stands still after SIGSTOP."""
    found = entry(pid)
    return found is not None and found.state == "T"


def is_same(pid: int, known: str | None) -> bool:
    """Whether `pid` still is the process whose identity was `known`."""
    return known is not None and identity(pid) == known


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
