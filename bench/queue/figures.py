"""What was measured, in one form for people and for machines."""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "queue.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: medians of ours and of the rival, and the ratio within a round (ours / rival).

    `rival` may be another case of ours, as the name says. `target` is in words, `holds` whether it
    is met; both None where nothing was promised. `spread` is the least and the greatest ratio,
    or, without a rival, value.
    """

    figure: str
    ours: float | None
    rival: float | None
    unit: str
    ratio: float | None
    target: str | None
    holds: bool | None
    rounds: int
    spread: tuple[float, float] | None


def beside(
    figure: str,
    ours: Sequence[float],
    rival: Sequence[float],
    unit: str,
    target: str | None = None,
    holds: Callable[[float], bool] | None = None,
) -> Figure:
    """A figure of values measured in the same rounds; `holds` judges the median ratio."""
    ratios = [a / b for a, b in zip(ours, rival, strict=True)]
    ratio = statistics.median(ratios)
    return Figure(
        figure,
        _short(statistics.median(ours)),
        _short(statistics.median(rival)),
        unit,
        _short(ratio),
        target,
        holds(ratio) if holds else None,
        len(ratios),
        (_short(min(ratios)), _short(max(ratios))),
    )


def alone(
    figure: str,
    values: Sequence[float],
    unit: str,
    target: str | None = None,
    holds: Callable[[float], bool] | None = None,
) -> Figure:
    """A figure without a rival; `holds` judges the median."""
    value = statistics.median(values)
    spread = (_short(min(values)), _short(max(values)))
    judged = holds(value) if holds else None
    return Figure(figure, _short(value), None, unit, None, target, judged, len(values), spread)


def write(figures: Iterable[Figure], *, instead: bool) -> None:
    """Put figures into the results, `instead` of all that is there or of those of the same names."""
    new = {figure.figure: asdict(figure) for figure in figures}
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() and not instead else []
    merged = {entry["figure"]: entry for entry in old} | new
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([*merged.values()], indent=1) + "\n")


def show(figures: Iterable[Figure]) -> None:
    """Print figures as a table."""
    rows = [
        (
            figure.figure,
            _text(figure.ours),
            _text(figure.rival),
            figure.unit,
            _text(figure.ratio),
            "" if figure.spread is None else f"{figure.spread[0]:g} to {figure.spread[1]:g}",
            figure.target or "",
            {True: "holds", False: "FAILS", None: ""}[figure.holds],
        )
        for figure in figures
    ]
    print_table(("figure", "ours", "rival", "unit", "ratio", "spread", "target", ""), rows)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown, its columns aligned."""
    cells = [[*map(str, row)] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        print(f"| {' | '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))} |")
    print(flush=True)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
