"""What runs in a home, in one file: written by the supervisor, read by `status`, `down`, `up`."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from clozone.local.identity import is_same
from clozone.local.process import ManagedProcess

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process as the file knows it. Times are ISO 8601, UTC."""

    name: str
    state: str
    pid: int | None = None
    identity: str | None = None
    port: int | None = None
    started_at: str | None = None
    restarts: int = 0
    last_exit: int | None = None

    @classmethod
    def of(cls, process: ManagedProcess) -> "ProcessRecord":
        """What there is to say about `process` now."""
        started = process.started_at
        return cls(
            name=process.name,
            state=process.state,
            pid=process.pid,
            identity=process.identity,
            port=process.spec.port,
            started_at=started.isoformat() if started else None,
            restarts=process.restarts,
            last_exit=process.last_exit,
        )


@dataclass(frozen=True, slots=True)
class BundleState:
    """The bundle as the file knows it. `start_seconds` is how long the start took."""

    phase: Phase
    url: str
    supervisor_pid: int
    supervisor_identity: str | None
    started_at: str
    start_seconds: float | None = None
    step: str = ""
    error: str = ""
    processes: list[ProcessRecord] = field(default_factory=list)

    @property
    def supervisor_lives(self) -> bool:
        """Whether the process that wrote the file still is there."""
        return is_same(self.supervisor_pid, self.supervisor_identity)


def read_state(file: Path) -> BundleState | None:
    """The state in `file`; None when there is none, or none that can be read."""
    try:
        stored: dict[str, Any] = json.loads(file.read_text())
        records = [ProcessRecord(**record) for record in stored.pop("processes")]
        return BundleState(**stored, processes=records)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_state(file: Path, state: BundleState) -> None:
    """Replace the state in `file` in one step: a reader sees the old or the new, never half."""
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(asdict(state), indent=2))
    draft.chmod(0o600)
    draft.replace(file)


def records_of(processes: Iterable[ManagedProcess]) -> list[ProcessRecord]:
    """One record for each process, in order."""
    return [ProcessRecord.of(process) for process in processes]
