"""The files by which `clozone reload` and the supervisor speak: for each reload a request and a
report, named by its id, in the home's `run` folder.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from clozone.local.home import Home


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """What to reload, and the variables that are set now. Holds secrets: the file is 0600.

    Ids are UUIDv7: in their order requests have their turn.
    """

    id: str
    only: list[str]
    changes: dict[str, str]


@dataclass
class ReloadReport:
    """How the reload `id` gets on. Each step is (name, state, seconds)."""

    id: str
    outcome: Literal["running", "done", "failed"] = "running"
    error: str = ""
    steps: list[tuple[str, str, float]] = field(default_factory=list)


def post_request(home: Home, request: ReloadRequest) -> None:
    """Lay a request before the supervisor. Raises OSError when it cannot be written."""
    _write(_request_file(home, request.id), request)


def withdraw_request(home: Home, id: str) -> bool:
    """Take a request back; False if the supervisor has taken it already."""
    try:
        _request_file(home, id).unlink()
    except FileNotFoundError:
        return False
    return True


def take_request(home: Home) -> ReloadRequest | None:
    """The oldest request, which is then nobody else's; None if there is none to be obeyed."""
    for file in sorted(home.run.glob("reload-*.request")):
        try:
            stored = json.loads(file.read_text())
        except (OSError, ValueError):
            stored = None
        try:
            # Whoever removes it has it: the one who asked may be taking it back.
            file.unlink()
        except OSError:
            continue
        with suppress(TypeError):
            return ReloadRequest(**stored)
    return None


def write_report(home: Home, report: ReloadReport) -> None:
    """Tell how it gets on. If that cannot be written there is no report any more, so that nobody
    waits for the next line of an old one.
    """
    try:
        _write(_report_file(home, report.id), report)
    except OSError:
        remove_report(home, report.id)


def read_report(home: Home, id: str) -> ReloadReport | None:
    """How that reload gets on; None when there is no report."""
    try:
        return ReloadReport(**json.loads(_report_file(home, id).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove_report(home: Home, id: str) -> None:
    """Nobody reads that report any more."""
    with suppress(OSError):
        _report_file(home, id).unlink()


def forget_requests(home: Home) -> None:
    """Remove what an earlier supervisor's life left: it was meant for the processes of then."""
    for file in home.run.glob("reload-*"):
        with suppress(OSError):
            file.unlink()


def _write(file: Path, content: ReloadRequest | ReloadReport) -> None:
    draft = file.with_name(f"{file.name}.draft")
    try:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(content)))
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def _request_file(home: Home, id: str) -> Path:
    return home.run / f"reload-{id}.request"


def _report_file(home: Home, id: str) -> Path:
    return home.run / f"reload-{id}.report"
