"""What `clozone status` shows: the state file, checked against the processes that are there."""

import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from clozone.kit.clock import now
from clozone.local.home import Home
from clozone.local.identity import is_same
from clozone.local.memory import Memory, memory_of
from clozone.local.state import BundleState, ProcessRecord, read_state

SUPERVISOR = "supervisor"
# Written by `make` beside the packages it installed, and by `clozone demo` beside its scorecards.
SETUP_SECONDS = "setup-seconds"
DEMO_MEDIAN_SECONDS = "demo/median-seconds"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process. Memory in bytes, children included; `uptime_seconds` None when it is not up."""

    name: str
    state: str
    pid: int | None
    port: int | None
    uptime_seconds: float | None
    restarts: int
    pss_bytes: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class BundleStatus:
    """The bundle. How long its parts took is in seconds, None where that was not measured: setting
    up the virtual environment, starting, and from a demo call's webhook to its scorecard (median).

    `phase` is `ready`, `starting`, `stopping`, `stopped`, `failed`, or `killed` when
    the supervisor died without a word."""

    phase: str
    url: str
    home: str
    started_at: str
    start_seconds: float | None
    setup_seconds: float | None
    demo_median_seconds: float | None
    step: str
    error: str
    total_pss_bytes: int
    total_rss_bytes: int
    processes: list[ProcessStatus]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def read_status(home: Home) -> BundleStatus | None:
    """The status of the bundle in `home`; None if none was ever started there."""
    state = read_state(home.state)
    if state is None:
        return None
    records = [_supervisor(state), *state.processes]
    alive = {r.pid: r for r in records if r.pid is not None and is_same(r.pid, r.identity)}
    memory = memory_of(alive)
    processes = [_process(record, memory.get(record.pid or 0), state) for record in records]
    total = sum(memory.values(), Memory())
    return BundleStatus(
        phase=_phase(state),
        url=state.url,
        home=str(home.root),
        started_at=state.started_at,
        start_seconds=state.start_seconds,
        setup_seconds=_number(Path(sys.prefix) / SETUP_SECONDS),
        demo_median_seconds=_number(home.root / DEMO_MEDIAN_SECONDS),
        step=state.step,
        error=state.error,
        total_pss_bytes=total.pss,
        total_rss_bytes=total.rss,
        processes=processes,
    )


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None


def _phase(state: BundleState) -> str:
    over = state.phase in ("stopped", "failed")
    return state.phase if over or state.supervisor_lives else "killed"


def _supervisor(state: BundleState) -> ProcessRecord:
    over = state.phase in ("stopped", "failed")
    return ProcessRecord(
        name=SUPERVISOR,
        state="ready" if state.supervisor_lives and not over else "stopped",
        pid=None if over else state.supervisor_pid,
        identity=None if over else state.supervisor_identity,
        started_at=state.started_at,
    )


def _process(record: ProcessRecord, memory: Memory | None, state: BundleState) -> ProcessStatus:
    up = memory is not None
    gone = "stopped" if _phase(state) in ("stopped", "failed", "killed") else record.state
    uptime = None
    if up and record.started_at:
        uptime = (now() - datetime.fromisoformat(record.started_at)).total_seconds()
    return ProcessStatus(
        name=record.name,
        state=record.state if up else gone,
        pid=record.pid if up else None,
        port=record.port,
        uptime_seconds=uptime,
        restarts=record.restarts,
        pss_bytes=memory.pss if memory else 0,
        rss_bytes=memory.rss if memory else 0,
    )
