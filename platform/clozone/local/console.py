"""What the bundle says on a terminal."""

import os
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import click

from clozone.local.logs import Follower
from clozone.local.render import Renderer
from clozone.local.starting import Progress
from clozone.local.state import BundleState
from clozone.local.status import BundleStatus, ProcessStatus

_GREEN, _RED, _YELLOW, _DIM, _BOLD = 32, 31, 33, 2, 1
_FOLLOW_SECONDS = 0.2

_DOWN = {"stopped": "is stopped", "failed": "could not be started", "killed": "was killed"}


class Console:
    """Writes to standard output; with colours on a terminal, unless NO_COLOR is set."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        plain = bool(env.get("NO_COLOR")) or env.get("TERM") == "dumb"
        self.renderer = Renderer(colour=sys.stdout.isatty() and not plain)
        self._writing = threading.Lock()
        self._closed = False
        # A terminal that cannot show a tick gets a question mark, not a traceback.
        with suppress(AttributeError):
            sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]

    def say(self, text: str = "") -> None:
        """Write a line. Once nobody reads any more (a closed pipe), writes nothing."""
        with self._writing:
            if self._closed:
                return
            try:
                click.echo(text, color=True)
            except (BrokenPipeError, OSError):
                self._closed = True

    def progress(self, news: Progress) -> None:
        """One line for each thing that is done or has failed."""
        paint = self.renderer.paint
        if news.state == "starting":
            return
        mark = {"failed": paint("✗", _RED), "given up": paint("-", _DIM)}.get(
            news.state, paint("✓", _GREEN)
        )
        if news.state == "running":
            mark = paint("…", _YELLOW)
        self.say(f"  {mark} {news.name:<15} {news.state:<8} {paint(f'{news.seconds:.2f} s', _DIM)}")

    def ready(self, url: str, seconds: float | None, credentials: Path, *, hint: str) -> None:
        """The lines after a start: where it is and what to do next."""
        paint = self.renderer.paint
        took = f" in {seconds:.1f} s" if seconds is not None else ""
        self.say(f"\n{paint('Ready', _GREEN)}{took}: {paint(url, _BOLD)}")
        self.say(f"  API       {url}/api/docs")
        self.say(f"  Sign-ins  {_short(credentials)}")
        self.say(f"  {hint}\n")

    def status(self, status: BundleStatus) -> None:
        """The table of processes, the sums, the address; of a bundle that is not up, why."""
        paint = self.renderer.paint
        if not any(process.pid for process in status.processes):
            self.say(
                f"Clozone {paint(_DOWN.get(status.phase, status.phase), _RED)}. Home: {status.home}"
            )
            if status.error:
                self.say(status.error)
            return
        colour = {"ready": _GREEN, "starting": _YELLOW, "stopping": _YELLOW}.get(status.phase, _RED)
        self.say(f"Clozone is {paint(status.phase, colour)} at {status.url}")
        self.say(f"Home: {status.home}")
        for what, seconds in (
            ("Set up", status.setup_seconds),
            ("Started", status.start_seconds),
            ("Demo: webhook to scorecard (median)", status.demo_median_seconds),
        ):
            if seconds is not None:
                self.say(f"{what} in {seconds:.1f} s")
        self.say("")
        head = ("PROCESS", "STATE", "PID", "PORT", "UPTIME", "RESTARTS", "PSS MB", "RSS MB")
        rows = [_row(process) for process in status.processes]
        megabytes = (
            f"{status.total_pss_bytes / 2**20:.0f}",
            f"{status.total_rss_bytes / 2**20:.0f}",
        )
        rows.append(("total", "", "", "", "", "", *megabytes))
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        for row in (head, *rows):
            cells = [
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            line = "  ".join(cells).rstrip()
            self.say(paint(line, _DIM) if row is head else line)

    def follow(self, files: Iterable[tuple[str, Path]], stop: threading.Event) -> threading.Thread:
        """Write what is added to log files, in a thread of its own, until `stop`."""
        named = list(files)
        follower = Follower(named)
        self.renderer.make_room_for(name for name, _ in named)

        def run() -> None:
            over = False
            while not over:
                over = stop.wait(_FOLLOW_SECONDS)
                for name, line in follower.new_lines():
                    self.say(self.renderer.line(name, line))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


class StateProgress:
    """Turns the states of a detached supervisor into the same news a start in front gives."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[tuple[str, str]] = set()

    def __call__(self, state: BundleState) -> None:
        """Tell what is new in `state`."""
        for name, what in [(p.name, p.state) for p in state.processes] + [(state.step, "running")]:
            news = (name, what)
            if (
                name
                and what in ("ready", "running", "waiting to restart")
                and news not in self._told
            ):
                self._told.add(news)
                self._console.say(f"  · {name:<15} {what}")


def _row(process: ProcessStatus) -> tuple[str, ...]:
    return (
        process.name,
        process.state,
        str(process.pid or "-"),
        str(process.port or "-"),
        _duration(process.uptime_seconds),
        str(process.restarts),
        f"{process.pss_bytes / 2**20:.0f}",
        f"{process.rss_bytes / 2**20:.0f}",
    )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
