"""What the demonstration shows: a table that fills up, and the results."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from clozone.demo.progress import Progress, Step

Json = dict[str, Any]
COLUMNS = {
    "sent": Step.SENT,
    "received": Step.RECEIVED,
    "cleaned": Step.CLEANED,
    "graded": Step.GRADED,
    "PDF": Step.DONE,
}

NUMBERS = frozenset({"score", "s"})


class LiveProgress:
    """Shows each call's way: a live table on a terminal, a line per finished call elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._entries: dict[int, Progress] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, entry: Progress) -> None:
        """Take in that `entry` has come a step further."""
        self._entries[entry.number] = entry
        if self._live:
            self._live.update(self._table(), refresh=True)
        elif entry.step is Step.DONE:
            self._console.print(f"{entry.call.key}: {_result(entry)}", highlight=False)

    def _table(self) -> Table:
        table = Table(*["call", *COLUMNS], box=box.SIMPLE)
        for entry in self._entries.values():
            marks = ["✓" if entry.step >= step else "·" for step in COLUMNS.values()]
            if entry.step is Step.DONE and entry.scorecard is None:
                marks[-1] = "–"
            table.add_row(entry.call.title, *marks)
        return table


def results_table(entries: list[Progress]) -> Table:
    """One row per call: how it was written, what came out, seconds from webhook to scorecard."""
    table = Table(box=box.SIMPLE, title="Calls", title_justify="left", pad_edge=False)
    for name in ("", "call", "mood", "score", "result", "s"):
        table.add_column(name, overflow="fold", justify="right" if name in NUMBERS else "left")
    for entry in entries:
        table.add_row(
            "[red]✗[/]" if entry.surprises() else "[green]✓[/]",
            entry.call.title,
            entry.call.mood,
            "" if entry.score is None else str(entry.score),
            _result(entry),
            "" if entry.seconds is None else f"{entry.seconds:.2f}",
        )
    return table


def scorecards_table(entries: list[Progress]) -> Table:
    """Where each scorecard lies, a path a line, to be copied."""
    table = Table("Scorecards", box=box.SIMPLE, pad_edge=False)
    for entry in entries:
        if entry.scorecard is not None:
            table.add_row(str(entry.scorecard))
    return table


def analytics_table(analytics: Json) -> Table:
    """The single figures of the analytics answer; series and rankings are for the screen."""
    table = Table(
        "figure",
        "last 7 days",
        box=box.SIMPLE,
        title="Analytics",
        title_justify="left",
        pad_edge=False,
    )
    for name, value in _figures(analytics):
        table.add_row(name, value)
    return table


def as_json(entries: list[Progress], analytics: Json, median_seconds: float | None) -> Json:
    """The results for a program."""
    return {
        "ok": not any(entry.surprises() for entry in entries),
        "median_seconds": median_seconds,
        "calls": [
            {
                "call": entry.call.key,
                "mood": entry.call.mood,
                "session_id": entry.session_id,
                "status": entry.status,
                "not_gradable_reason": entry.session.get("not_gradable_reason"),
                "score": entry.score,
                "passed": entry.passed,
                "blockers": list(entry.blockers),
                "seconds": entry.seconds,
                "scorecard": None if entry.scorecard is None else str(entry.scorecard),
                "surprises": entry.surprises(),
            }
            for entry in entries
        ],
        "analytics": analytics,
    }


def _result(entry: Progress) -> str:
    if entry.blockers:
        return f"blocked: {', '.join(entry.blockers)}"
    if entry.passed is not None:
        return "passed" if entry.passed else "not passed"
    reason = entry.session.get("not_gradable_reason")
    words = entry.status.replace("_", " ")
    return f"{words}: {str(reason).replace('_', ' ')}" if reason else words


def _figures(body: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict) and not prefix:
            yield from _figures(value, f"{label}: ")
        elif isinstance(value, float):
            yield label, f"{value:.2f}"
        elif isinstance(value, int | str):
            yield label, str(value)
