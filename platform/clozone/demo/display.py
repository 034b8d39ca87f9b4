"""What the demonstration shows: a table that fills up, and the results."""

from collections.abc import Callable
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

MICRODOLLARS = 1_000_000
# What the totals are called for people, and how each is written.
FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "sessions": ("calls", str),
    "graded": ("graded", str),
    "not_gradable": ("not gradable", str),
    "passed": ("passed", str),
    "pass_rate": ("passed, of the graded", "{:.0%}".format),
    "average_score": ("average score", "{:.1f}".format),
    "score_p50": ("median score", str),
    "score_p90": ("score that 90 % do not exceed", str),
    "closed_won": ("sales closed", str),
    "minutes": ("minutes on calls", "{:.1f}".format),
    "average_talk_ratio": ("rep's share of the talk", "{:.0%}".format),
    "call_cost_microdollars": ("cost of the calls", lambda value: f"${value / MICRODOLLARS:.2f}"),
}


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
    """The totals of the analytics answer, beside those of the days before if there were any."""
    columns = {"last 7 days": analytics["totals"]}
    if analytics["previous"]["sessions"]:
        columns["7 days before"] = analytics["previous"]
    table = Table(box=box.SIMPLE, title="Analytics", title_justify="left", pad_edge=False)
    table.add_column("figure")
    for heading in columns:
        table.add_column(heading, justify="right")
    for name, (label, written) in FIGURES.items():
        values = [figures[name] for figures in columns.values()]
        table.add_row(label, *("–" if value is None else written(value) for value in values))
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
