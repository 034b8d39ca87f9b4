"""Rolling restarts under load: how many requests fail, ours beside the rivals', in turns.

    .venv/bin/python -m bench.reload [ROUNDS]

Needs nothing but the virtual environment; about three minutes a round. Writes
bench/results/reload.json and ends with 1 when a figure is missed.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.reload.load import Load, Request, Tally
from bench.reload.stage import stage
from bench.reload.whole import load_on, platform

RATE = 200
CONTENDERS = ("defaults", "tuned", "clozone")
RESULTS = Path(__file__).parents[1] / "results" / "reload.json"
_BODY = json.dumps({"pad": "x" * 300}).encode()

Series = dict[str, list[float]]


def main(rounds: int) -> int:
    """Measure, print and write down; 0 when every figure holds."""
    measured: Series = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="clozone-bench-") as folder:
        Path(folder).chmod(0o755)
        for number in range(rounds):
            for contender in CONTENDERS:
                with stage(contender, Path(folder) / f"{contender}-{number}") as built:
                    load = Load("127.0.0.1", built.port, RATE, _mixture, _LONG, _STREAM)
                    _note(measured, contender, _under(load, built.roll), number)
                    if contender != "defaults":
                        flood = Load("127.0.0.1", built.port, **_FLOOD)
                        _note(measured, f"{contender} flooded", _under(flood, built.roll), number)
        with platform(Path(folder)) as bundle:
            for number in range(rounds):
                began = time.monotonic()
                tally = _under(load_on(bundle, RATE), bundle.reload)
                measured["reload seconds"].append(time.monotonic() - began)
                _note(measured, "clozone reload", tally, number)

                def kill() -> None:
                    bundle.kill("web-1")
                    time.sleep(5)

                _note(measured, "kill -9", _under(load_on(bundle, RATE), kill), number)
    rows = _rows(measured, rounds)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        mark = "ok" if row["holds"] else "MISSED"
        print(f"{mark:7}{row['figure']}: {row['ours']} {row['unit']}, rival {row['rival']}")
    return 0 if all(row["holds"] for row in rows) else 1


def _mixture(number: int) -> Request:
    if number % 2:
        return Request("read", "GET", "/api/read")
    return Request("write", "POST", "/api/write", {"Content-Type": "application/json"}, _BODY)


# More than the two instances can answer on a small machine.
_FLOOD: dict[str, Any] = {"rate": 900, "mixture": _mixture, "connections": 80, "burst": 40}
_LONG = Request("long", "POST", "/api/long")
_STREAM = Request("stream", "GET", "/api/stream")


def _under(load: Load, act: Callable[[], object]) -> Tally:
    async def run() -> Tally:
        async with load.running() as tally:
            await asyncio.sleep(2)
            await asyncio.to_thread(act)
            await asyncio.sleep(2)
        return tally

    return asyncio.run(run())


def _note(measured: Series, who: str, tally: Tally, number: int) -> None:
    by_kind: dict[str, int] = defaultdict(int)
    for (kind, _), count in tally.failures.items():
        by_kind["stream" if kind == "stream" else "read" if kind == "read" else "post"] += count
    for kind in ("read", "post", "stream"):
        measured[f"{who} {kind}"].append(by_kind[kind])
    measured[f"{who} requests"].append(by_kind["read"] + by_kind["post"])
    told = "; ".join(line.strip() for line in tally.lines()) or "none"
    print(f"round {number + 1} {who}: {tally.requests} requests, failed: {told}", flush=True)


def _rows(measured: Series, rounds: int) -> list[dict[str, Any]]:
    rows = []
    for rival, words in (
        ("defaults", "nginx and Hypercorn by their defaults"),
        ("tuned", "max_fails=0, graceful timeout 10 s, keep-alive 75 s"),
    ):
        for kind, word in (("requests", "requests"), ("stream", "streams")):
            figure = f"{word} that fail in a rolling restart under {RATE}/s; rival: {words}"
            rows.append(_row(figure, measured[f"clozone {kind}"], measured[f"{rival} {kind}"], 0))
    figure = "requests that fail in a rolling restart under more than can be answered; rival: tuned"
    ours, theirs = measured["clozone flooded requests"], measured["tuned flooded requests"]
    rows.append(_row(figure, ours, theirs, 0))
    for kind, word in (("requests", "requests"), ("stream", "streams")):
        figure = f"{word} that fail in clozone reload of the whole platform under {RATE}/s"
        rows.append(_row(figure, measured[f"clozone reload {kind}"], None, 0))
    rows.append(_row("clozone reload under load", measured["reload seconds"], None, 60, "s"))
    rows.append(_row("GET that fail when an instance is killed", measured["kill -9 read"], None, 0))
    rows.append(
        _row("POST that fail when an instance is killed", measured["kill -9 post"], None, None)
    )
    for row in rows:
        row["rounds"] = rounds
    return rows


def _row(
    figure: str,
    ours: list[float],
    rival: list[float] | None,
    target: float | None,
    unit: str = "failures",
) -> dict[str, Any]:
    """The worst round of ours beside the median of the rival's."""
    theirs = statistics.median(rival) if rival else None
    worst = round(max(ours), 1)
    return {
        "figure": figure,
        "ours": worst,
        "rival": theirs,
        "unit": unit,
        "ratio": round(worst / theirs, 4) if theirs else None,
        "target": target,
        "holds": target is None or worst <= target,
        "spread": {"ours": [min(ours), max(ours)], "rival": [min(rival), max(rival)]}
        if rival
        else {"ours": [round(min(ours), 1), worst]},
    }


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
