"""The figures as a picture: requests per second of both, and the time of an answer by size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from bench.reads.loading import SIZES
from bench.reads.results import FOLDER, read_figures
from bench.reads.uncached import FORMS

mpl.use("Agg")
import matplotlib.pyplot as plt

OURS, THEIRS = "#1f6f8b", "#d98e04"
FILES = (FOLDER / "reads.png", FOLDER / "reads.svg")


def draw() -> Sequence[Path]:
    """Draw what the results hold; the files that were written."""
    figures = {figure["figure"]: figure for figure in read_figures()}
    mpl.rcParams["svg.hashsalt"] = "clozone"
    picture, (left, right) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    _draw_rates(left, figures)
    _draw_growth(right, figures)
    for file in FILES:
        metadata = {"Date": None} if file.suffix == ".svg" else None
        picture.savefig(file, dpi=150, metadata=metadata)
    plt.close(picture)
    return FILES


def _draw_rates(axes: Any, figures: dict[str, dict[str, Any]]) -> None:
    bars = [
        (name, figure)
        for name, figure in figures.items()
        if figure["unit"] == "requests/s" and name.startswith(("cached", "analytics uncached"))
    ]
    if not bars:
        return
    for place, (_, figure) in enumerate(bars):
        axes.barh(place - 0.2, figure["ours"], 0.38, color=OURS, label="Clozone")
        axes.barh(place + 0.2, figure["rival"], 0.38, color=THEIRS, label="Express, ioredis")
        low, high = figure["spread"]
        text = f"{figure['ours']:,.0f}/s   {figure['ratio']:.2g} x ({low:.2g} to {high:.2g})"
        axes.annotate(
            text,
            (figure["ours"], place - 0.2),
            xytext=(5, 0),
            va="center",
            textcoords="offset points",
            fontsize=9,
        )
        axes.annotate(
            f"{figure['rival']:,.0f}/s",
            (figure["rival"], place + 0.2),
            xytext=(5, 0),
            va="center",
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_yticks(range(len(bars)), [_label(name) for name, _ in bars])
    axes.invert_yaxis()
    # Room for what is written beside the longest bar.
    axes.set_xlim(right=1.7 * max((figure["ours"] for _, figure in bars)))
    axes.set_xlabel("requests per second")
    axes.set_title("Analytics of one organisation's last 30 days")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[:2], labels[:2], loc="lower right")


def _draw_growth(axes: Any, figures: dict[str, dict[str, Any]]) -> None:
    js, in_sql = (f"rival {form}" for form in FORMS)
    lines = {
        "report": ("Clozone, report", OURS, "-o"),
        "ranking of users": ("Clozone, ranking of users", OURS, "--s"),
        js: ("Express, aggregated in JS", THEIRS, "-o"),
        in_sql: ("Express, aggregated in SQL", THEIRS, "--s"),
    }
    for what, (label, colour, style) in lines.items():
        points = {
            sessions: figures[name]["ours"]
            for size, sessions in SIZES.items()
            if (name := f"uncached p50, {what}, {size} sessions") in figures
        }
        axes.plot([*points], [*points.values()], style, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([*SIZES.values()], [*SIZES])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(60_000, 17_000_000)
    axes.set_ylim(0.5, 5_000)
    axes.set_xlabel("sessions in the database")
    axes.set_ylabel("p50 without a cache, ms")
    axes.set_title("The time of an answer, by the amount of data")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()


def _label(name: str) -> str:
    return name.replace(", ", "\n").replace("beside the rival ", "rival: ")
