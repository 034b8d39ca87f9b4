"""Measure what Clozone reads with beside the stack that its guide recommends.

python -m bench.reads [PART …] [--sizes 100k,1m] [--rounds N] [--seconds S]
"""

import argparse
import signal
import sys

from bench.queue.figures import Figure, show
from bench.reads import (
    cached,
    growth,
    limiter,
    overload,
    pages,
    stampede,
    statements,
    uncached,
)
from bench.reads.loading import SIZES
from bench.reads.machine import circumstances, data_folder, install_rival, require_programs
from bench.reads.results import write_figures, write_rounds
from bench.reads.run import Run
from bench.reads.stage import Stage

PARTS = {
    "cached": cached.measure,
    "uncached": uncached.measure,
    "growth": growth.measure,
    "pages": pages.measure,
    "stampede": stampede.measure,
    "limiter": limiter.measure,
    "overload": overload.measure,
    "statements": statements.measure,
}


ROUNDS = 5
SECONDS = 5


def main() -> None:
    """Run the parts that were asked for, print their figures, keep and draw them."""
    options = _options()
    # What was started ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    require_programs()
    modules = install_rival()
    written = writes(options)
    if not written:
        print(
            "This run writes no results"
            + ("." if options.dry else ": it is a quick one; see --write.")
        )
    told = circumstances(options.sizes)
    figures: list[Figure] = []
    with Stage.opened(data_folder(), modules, options.sizes, fresh=options.fresh) as stage:
        run = Run(stage, options.rounds, options.seconds, options.sizes)
        for part in options.only:
            print(f"\n{part}", flush=True)
            found = [*PARTS[part](run)]
            show(found)
            # At once, so that what comes after cannot take it along if it fails.
            if written:
                whole_run_begins = options.only == [*PARTS] and not figures
                write_figures(found, instead=whole_run_begins, circumstances=told)
                write_rounds(run.rounds_told, instead=whole_run_begins)
            figures += found
    print("\nAll figures; a ratio is ours ÷ rival, or ÷ what the name says\n")
    show(figures)
    if written:
        # matplotlib is there where benches are run, and not where they are tested.
        from bench.reads.plot import draw

        print("Written:", *(file.name for file in draw()), "reads.json reads_rounds.json")
    missed = [figure.figure for figure in figures if figure.holds is False]
    print(f"{len(missed)} of the figures miss their target." if missed else "Every target holds.")


def writes(options: argparse.Namespace) -> bool:
    """Whether a run with these options replaces the results: no quick one, unless told to."""
    if options.dry or options.write:
        return not options.dry
    quick = options.rounds < ROUNDS or options.seconds < SECONDS or "1m" not in options.sizes
    return not quick


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.reads", description="Measure reads beside Express, ioredis and node-postgres."
    )
    parser.add_argument("--sizes", type=_sizes, default=[*SIZES], help=f"of: {', '.join(SIZES)}")
    parser.add_argument(
        "--rounds", type=_at_least_one, default=ROUNDS, help=f"interleaved (default {ROUNDS})"
    )
    parser.add_argument(
        "--seconds",
        type=_at_least_one,
        default=SECONDS,
        help=f"of load of each case (default {SECONDS})",
    )
    parser.add_argument("--only", type=_parts, default=[*PARTS], help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--fresh", action="store_true", help="load the data anew")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--dry", action="store_true", help="write no results")
    kept.add_argument(
        "--write",
        action="store_true",
        help="write results of a quick run too (fewer rounds or seconds than the default, or no 1m)",
    )
    return parser.parse_args()


def _sizes(text: str) -> list[str]:
    return _chosen(text, [*SIZES], "size")


def _parts(text: str) -> list[str]:
    return _chosen(text, [*PARTS], "part")


def _chosen(text: str, known: list[str], what: str) -> list[str]:
    names = {name.strip() for name in text.split(",")}
    if unknown := names - set(known):
        raise argparse.ArgumentTypeError(
            f"there is no {what} {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    return [name for name in known if name in names]


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    main()
