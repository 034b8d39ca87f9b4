"""What was done to the platform, and how long each part was away for it."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from clozone.drill.schedule import Act


@dataclass(slots=True)
class Incident:
    """One fault that was done. `pid` is whom it hit; `ended_at` is when the part was back."""

    act: Act
    name: str
    at: datetime
    pid: int | None = None
    ended_at: datetime | None = None


class Incidents:
    """The record of a drill's faults; thread-safe."""

    def __init__(self) -> None:
        self._all: list[Incident] = []
        self._lock = threading.Lock()

    def note(self, act: Act, name: str, at: datetime, pid: int | None = None) -> Incident:
        """Note a fault that was done to `name` at that moment."""
        incident = Incident(act, name, at, pid)
        with self._lock:
            self._all.append(incident)
        return incident

    def all(self) -> list[Incident]:
        """Every fault so far, in order."""
        with self._lock:
            return list(self._all)

    def kills(self) -> Counter[str]:
        """SIGKILLs by the part that they hit."""
        return Counter(each.name for each in self.all() if each.act is Act.kill)

    def absences(self, name: str, until: datetime) -> list[tuple[datetime, datetime]]:
        """From when to when the part was away; one that is not back yet is away until `until`."""
        return [
            (each.at, each.ended_at or until)
            for each in self.all()
            if each.name == name and each.act is not Act.wipe
        ]

    def was_killed(self, pid: int) -> bool:
        """Whether the drill killed the process with this number."""
        return any(each.pid == pid and each.act is Act.kill for each in self.all())

    def count(self, act: Act) -> int:
        """How often this was done."""
        return sum(each.act is act for each in self.all())


def seconds_within(
    begin: datetime, end: datetime, absences: Iterable[tuple[datetime, datetime]]
) -> float:
    """How many seconds between `begin` and `end` lie in at least one of `absences`."""
    covered, clock = 0.0, begin
    for left, back in sorted(absences):
        first, last = max(left, clock), min(back, end)
        if last > first:
            covered += (last - first).total_seconds()
            clock = last
    return covered


def both(
    ones: Iterable[tuple[datetime, datetime]], others: Iterable[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """When one of `ones` and one of `others` held at once."""
    other = list(others)
    shared = [(max(a, c), min(b, d)) for a, b in ones for c, d in other]
    return [(begin, end) for begin, end in shared if begin < end]
