"""How `clozone reload` asks the supervisor, and how the supervisor obeys."""

import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from clozone.kit.ids import new_id
from clozone.local.errors import BundleError, Interrupted
from clozone.local.home import Home
from clozone.local.options import VARIABLES
from clozone.local.reload_files import (
    ReloadReport,
    ReloadRequest,
    post_request,
    read_report,
    remove_report,
    take_request,
    withdraw_request,
    write_report,
)
from clozone.local.starting import Listener, Progress
from clozone.local.state import read_state
from clozone.settings import Settings

_SILENCE_SECONDS = 15.0
_POLL_SECONDS = 0.1


class Reload(Protocol):
    """`Bundle.reload`."""

    def __call__(
        self, only: Iterable[str], changes: Mapping[str, str] | None, progress: Listener, /
    ) -> None:
        """Reload."""


# ---- The command's side --------------------------------------------------------------------------


def known_variables(env: Mapping[str, str]) -> dict[str, str]:
    """The variables in `env` that mean something to the platform, but for the one that found it."""
    names = {name.upper() for name in Settings.model_fields} | {each.name for each in VARIABLES}
    return {name: env[name] for name in sorted(names - {"CLOZONE_HOME"}) if name in env}


def request_reload(
    home: Home, only: Iterable[str], changes: Mapping[str, str], listener: Listener
) -> None:
    """Have the supervisor of `home` reload; returns when it is done. `listener` hears of each step.

    Raises BundleError when no bundle is ready there, or when the supervisor could not do it. A
    KeyboardInterrupt is Interrupted if it came before the reload began, which then never does.
    """
    state = read_state(home.state)
    lives = state is not None and state.supervisor_lives and home.is_locked()
    if state is None or not lives or state.phase != "ready":
        raise BundleError(
            f"No Clozone is running in {home.root}, or it is not ready. `clozone status` says "
            "more; `clozone up` starts it."
        )
    id = str(new_id())
    try:
        _post(home, ReloadRequest(id, list(only), dict(changes)))
        _follow(home, id, listener)
    except KeyboardInterrupt:
        if withdraw_request(home, id):
            raise Interrupted("The reload had not begun, and nothing was changed.") from None
        raise
    finally:
        withdraw_request(home, id)
        remove_report(home, id)


def _post(home: Home, request: ReloadRequest) -> None:
    try:
        post_request(home, request)
    except OSError as error:
        raise BundleError(f"{error.filename or home.run}: {error.strerror}") from error


def _follow(home: Home, id: str, listener: Listener) -> None:
    told = 0
    heard = time.monotonic()
    while True:
        report = read_report(home, id)
        if report:
            heard = time.monotonic()
            for name, what, seconds in report.steps[told:]:
                listener(Progress(name, what, seconds))
            told = len(report.steps)
            if report.outcome == "done":
                return
            if report.outcome == "failed":
                raise BundleError(report.error)
        elif time.monotonic() - heard > _SILENCE_SECONDS:
            raise _silence(home, taken=not withdraw_request(home, id))
        if not home.is_locked():
            raise BundleError("The platform was stopped meanwhile.")
        time.sleep(_POLL_SECONDS)


def _silence(home: Home, *, taken: bool) -> BundleError:
    if taken:
        return BundleError(
            "The supervisor reloads, but does not report: is the disk full? `clozone status` and "
            f"{home.log('supervisor')} say more."
        )
    return BundleError(
        "The supervisor takes no request: it is busy with another reload, or older than this "
        "command. Try again, or restart everything: clozone down, then clozone up."
    )


# ---- The supervisor's side -----------------------------------------------------------------------


def obey_requests(home: Home, reload: Reload) -> None:
    """Do the next thing that was asked for, if any, and write down how it went. Never fails."""
    request = take_request(home)
    if request is None:
        return
    report = ReloadReport(request.id)

    def note(news: Progress) -> None:
        report.steps.append((news.name, news.state, round(news.seconds, 2)))
        write_report(home, report)

    write_report(home, report)
    try:
        reload(request.only, request.changes, note)
        report.outcome = "done"
    except Exception as error:
        report.outcome = "failed"
        report.error = str(error) if isinstance(error, BundleError) else repr(error)
    write_report(home, report)
