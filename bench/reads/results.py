"""The figures and the rounds behind them, as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.queue.figures import Figure

FOLDER = Path(__file__).parents[1] / "results"
FIGURES = FOLDER / "reads.json"
ROUNDS = FOLDER / "reads_rounds.json"

Entry = Mapping[str, Any]


def read_figures() -> list[dict[str, Any]]:
    """The figures of the runs so far."""
    return [dict(entry) for entry in _read(FIGURES)]


def write_figures(
    figures: Iterable[Figure], *, instead: bool, circumstances: Entry = MappingProxyType({})
) -> None:
    """Put figures into the results, `instead` of all that is there or of those of the same names.

    Each carries the `circumstances` of its run: parts may be measured on different days.
    """
    entries = [{**asdict(figure), **circumstances} for figure in figures]
    _merge(FIGURES, entries, "figure", instead)


def write_rounds(rounds: Sequence[Entry], *, instead: bool) -> None:
    """The same with what each round measured, by case."""
    cases = dict.fromkeys(entry["case"] for entry in rounds)
    grouped = [
        {
            "case": case,
            "rounds": [
                {name: value for name, value in entry.items() if name != "case"}
                for entry in rounds
                if entry["case"] == case
            ],
        }
        for case in cases
    ]
    _merge(ROUNDS, grouped, "case", instead)


def _merge(file: Path, new: Sequence[Entry], key: str, instead: bool) -> None:
    old = [] if instead else _read(file)
    merged = {entry[key]: entry for entry in (*old, *new)}
    FOLDER.mkdir(exist_ok=True)
    file.write_text(json.dumps([*merged.values()], indent=1) + "\n")


def _read(file: Path) -> Sequence[Entry]:
    found: Sequence[Entry] = json.loads(file.read_text()) if file.exists() else []
    return found
