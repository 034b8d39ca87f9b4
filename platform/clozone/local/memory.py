"""How much memory a process and its children take."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from clozone.local.identity import PROC, entries


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `pss` counts a page shared by n processes as one nth, so sums are true; `rss` as 1."""

    pss: int = 0
    rss: int = 0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.pss + other.pss, self.rss + other.rss)


def memory_of(pids: Iterable[int]) -> dict[int, Memory]:
    """The memory of each process together with all its descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for each in entries():
        children[each.parent].append(each.pid)
    wanted = set(pids)
    return {pid: _tree(pid, children, stop_at=wanted - {pid}) for pid in wanted}


def _tree(pid: int, children: dict[int, list[int]], stop_at: set[int]) -> Memory:
    total = _own(pid)
    for child in children[pid]:
        if child not in stop_at:
            total += _tree(child, children, stop_at)
    return total


def _own(pid: int) -> Memory:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return Memory()
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return Memory(sizes.get("Pss", 0), sizes.get("Rss", 0))
