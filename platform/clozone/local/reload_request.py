"""How `clozone reload` speaks with the supervisor: a request and a report, two files in the home."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from clozone.kit.ids import new_id
from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.options import VARIABLES
from clozone.local.starting import Listener, Progress
from clozone.local.state import read_state
from clozone.settings import Settings

_TAKEN_SECONDS = 15.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """What to reload, and the variables that are set now. Holds secrets: the file is 0600."""

    id: str
    only: list[str]
    changes: dict[str, str]


@dataclass
class Report:
    """How the reload `id` gets on. Each step is (name, state, seconds)."""

    id: str
    outcome: Literal["running", "done", "failed"] = "running"
    error: str = ""
    steps: list[tuple[str, str, float]] = field(default_factory=list)


class Reload(Protocol):
    """`Bundle.reload`."""

    def __call__(
        self, only: Iterable[str], changes: Mapping[str, str] | None, progress: Listener
    ) -> None:
        """Reload."""


# ---- The command's side ---------------------------------------------------------------------------


def known_variables(env: Mapping[str, str]) -> dict[str, str]:
    """The variables in `env` that mean something to the platform, but for the one that found it."""
    names = {name.upper() for name in Settings.model_fields} | {each.name for each in VARIABLES}
    return {name: env[name] for name in sorted(names - {"CLOZONE_HOME"}) if name in env}


def request_reload(
    home: Home, only: Iterable[str], changes: Mapping[str, str], listener: Listener
) -> None:
    """Have the supervisor of `home` reload; returns when it is done. `listener` hears of each step.

    Raises BundleError when no bundle is ready there, or when the supervisor could not do it.
    """
    state = read_state(home.state)
    if state is None or not home.is_locked() or state.phase != "ready":
        raise BundleError(
            f"No Clozone is running in {home.root}, or it is not ready. `clozone status` says more; "
            "`clozone up` starts it."
        )
    request = Request(str(new_id()), list(only), dict(changes))
    _write(_request_file(home), request)
    told = 0
    deadline = time.monotonic() + _TAKEN_SECONDS
    while True:
        report = _read_report(home)
        if report and report.id == request.id:
            for name, what, seconds in report.steps[told:]:
                listener(Progress(name, what, seconds))
            told = len(report.steps)
            if report.outcome == "done":
                return
            if report.outcome == "failed":
                raise BundleError(report.error)
        elif time.monotonic() > deadline:
            with suppress(FileNotFoundError):
                _request_file(home).unlink()
                raise BundleError(
                    "The supervisor takes no request: it is busy with another reload, or older than "
                    "this command. Try again, or restart everything: clozone down, then clozone up."
                )
        if not home.is_locked():
            raise BundleError("The platform was stopped meanwhile.")
        time.sleep(_POLL_SECONDS)


# ---- The supervisor's side ------------------------------------------------------------------------


def obey_requests(home: Home, reload: Reload) -> None:
    """Do what was asked for since the last call, and write down how it went. Never fails."""
    request = _take(home)
    if request is None:
        return
    report = Report(request.id)

    def note(news: Progress) -> None:
        report.steps.append((news.name, news.state, round(news.seconds, 2)))
        _tell(home, report)

    _tell(home, report)
    try:
        reload(request.only, request.changes, note)
        report.outcome = "done"
    except Exception as error:
        report.outcome = "failed"
        report.error = str(error) if isinstance(error, BundleError) else repr(error)
    _tell(home, report)


def _take(home: Home) -> Request | None:
    file = _request_file(home)
    try:
        stored = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        stored = None
    with suppress(OSError):
        file.unlink()
    with suppress(TypeError):
        return Request(**stored)
    return None


def _tell(home: Home, report: Report) -> None:
    # A full disk must not end a reload half-way.
    with suppress(OSError):
        _write(_report_file(home), report)


def _read_report(home: Home) -> Report | None:
    try:
        return Report(**json.loads(_report_file(home).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(file: Path, content: Request | Report) -> None:
    draft = file.with_suffix(f".{os.getpid()}.new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(content)))
    draft.replace(file)


def _request_file(home: Home) -> Path:
    return home.run / "reload-request.json"


def _report_file(home: Home) -> Path:
    return home.run / "reload.json"
