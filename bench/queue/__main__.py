"""Measure the job ledger beside its rivals: python -m bench.queue [PART …] [--rounds N] [--scale X]."""

import argparse

from bench.queue import claims, enqueueing, fairness, recovery, throughput
from bench.queue.contenders import Contender, rivals
from bench.queue.figures import Figure, show, write
from bench.queue.install import install
from bench.queue.stage import Stage

PARTS = {
    "throughput": throughput.measure,
    "enqueueing": enqueueing.measure,
    "claims": claims.measure,
    "recovery": recovery.measure,
    "fairness": fairness.measure,
}


def main() -> None:
    """Run the parts that were asked for, print their figures and keep them."""
    parser = argparse.ArgumentParser(prog="bench.queue", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the jobs (default 1)")
    parser.add_argument("--ours", action="store_true", help="without the rivals")
    parser.add_argument("--dry", action="store_true", help="do not write bench/results/queue.json")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    field: list[Contender] = [] if options.ours else [*rivals(install())]
    figures: list[Figure] = []
    with Stage.opened() as stage:
        for part in options.parts or PARTS:
            print(f"\n{part}", flush=True)
            found = [*PARTS[part](stage, field, options.rounds, options.scale)]
            show(found)
            figures += found
    if not options.dry:
        write(figures, instead=not options.parts)
    failed = [figure.figure for figure in figures if figure.holds is False]
    print(f"{len(failed)} of the figures miss their target." if failed else "Every target holds.")


if __name__ == "__main__":
    main()
