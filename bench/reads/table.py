"""Print the results as the table of docs/benchmarks/reads.md: python -m bench.reads.table."""

from collections.abc import Mapping
from typing import Any

from bench.reads.results import read_figures

_HEAD = """| | ours | other | unit | ratio | spread | target | |
|---|---|---|---|---|---|---|---|"""
_JUDGED = {True: "holds", False: "**misses**", None: ""}


def line(figure: Mapping[str, Any]) -> str:
    """One figure as a line of the table."""
    name = figure["figure"]
    cells = [
        name[0].upper() + name[1:],
        _text(figure["ours"]),
        _text(figure["rival"]),
        figure["unit"],
        _text(figure["ratio"]),
        " to ".join(map(_text, figure["spread"])),
        figure["target"] or "",
        _JUDGED[figure["holds"]],
    ]
    return f"| {' | '.join(cells)} |"


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


if __name__ == "__main__":
    print(_HEAD, *map(line, read_figures()), sep="\n")
