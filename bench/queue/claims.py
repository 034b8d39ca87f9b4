"""What a claim costs, and whether it costs more where more is waiting.

Each population has a database and a claiming process of its own; they claim by turns, a few jobs
each, so that whatever else the machine does meets all of them alike.
"""

import json
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from bench.queue.contenders import PYTHON, ROOT, Contender
from bench.queue.figures import Figure, beside, print_table
from bench.queue.stage import Stage

FEW, MANY = 1_000, 100_000
CLAIMS_A_TURN = 20
TURNS_A_ROUND = 5
# Claims after which a session has settled on its plans.
SETTLING = 20
MOST = 1.5


@dataclass(frozen=True, slots=True)
class Population:
    """Jobs that wait, of how many organisations, and what happened to the table before.

    `sudden` ones came when the claiming session had settled on its plans with next to nothing
    waiting, and before the statistics were renewed. `held` is a transaction that began before the
    churn and stays open, as that of a long backup: nothing that died meanwhile may be cleaned away.
    """

    jobs: int
    organisations: int
    sudden: bool = False
    churned: bool = False
    held: bool = False

    @property
    def name(self) -> str:
        """In words."""
        plural = "s" if self.organisations > 1 else ""
        words = [f"{self.jobs:,} jobs of {self.organisations:,} organisation{plural}"]
        words += ["come suddenly"] if self.sudden else []
        words += ["after churn"] if self.churned else []
        words += ["under a long transaction"] if self.held else []
        return ", ".join(words)


class Side:
    """The process that claims from one population."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, do: str, **words: int) -> Any:
        """Have it done; what it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"The claiming process ended with {self._process.wait()}.")
        return json.loads(answer)


def populations(scale: float) -> list[tuple[Population, Population]]:
    """Each with few jobs and the one with many that it is compared with."""
    few, many = round(FEW * scale), round(MANY * scale)

    def pair(organisations: int, **happened: bool) -> tuple[Population, Population]:
        return (
            Population(few, min(few, organisations)),
            Population(many, min(many, organisations), **happened),
        )

    return [
        pair(1),
        pair(100),
        pair(5_000),
        pair(100, sudden=True),
        pair(100, churned=True),
        pair(100, churned=True, held=True),
    ]


def measure(stage: Stage, _rivals: list[Contender], rounds: int, scale: float) -> Iterator[Figure]:
    """Medians of each round, few beside many."""
    pairs = populations(scale)
    everyone = [*dict.fromkeys(population for pair in pairs for population in pair)]
    medians: defaultdict[Population, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        sides = {
            population: stack.enter_context(_opened(stage, population, number))
            for number, population in enumerate(everyone)
        }
        for side in sides.values():
            side.ask("claim", times=SETTLING)
        pages = {population: side.ask("buffers") for population, side in sides.items()}
        for number in range(rounds):
            taken: defaultdict[Population, list[float]] = defaultdict(list)
            for turn in range(TURNS_A_ROUND):
                first = (number + turn) % len(everyone)
                for population in [*everyone[first:], *everyone[:first]]:
                    taken[population] += sides[population].ask("claim", times=CLAIMS_A_TURN)
            for population, times in taken.items():
                medians[population].append(statistics.median(times))
    heads = ("waiting", "ms a claim", "pages a claim")
    rows = [(p.name, f"{statistics.median(medians[p]):.2f}", pages[p]) for p in everyone]
    print_table(heads, rows)
    for few, many in pairs:
        figure = f"a claim: {many.name}, beside {few.name}"
        mine, base = medians[many], medians[few]
        if many.held:
            yield beside(figure, mine, base, "ms")
        else:
            yield beside(figure, mine, base, "ms", f"at most {MOST:g} x", lambda r: r <= MOST)


@contextmanager
def _opened(stage: Stage, population: Population, number: int) -> Iterator[Side]:
    name = f"bench_claims_{number}"
    url = stage.make_database(name)
    process = subprocess.Popen(
        [*PYTHON, "bench.queue.claimer"],
        cwd=ROOT,
        env=stage.platform_environment(name) | {"DATABASE_STATEMENT_TIMEOUT_MS": "60000"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    held = psycopg.connect(url) if population.held else None
    try:
        side = Side(process)
        # It answers once the tables are there.
        side.ask("claim", times=0)
        if population.sudden or population.churned:
            # Else it may come between, and mend what is to be measured.
            _execute(url, "ALTER TABLE jobs SET (autovacuum_enabled = off)")
        if population.sudden:
            side.ask("fill", jobs=SETTLING, organisations=1)
            _execute(url, "VACUUM ANALYZE jobs")
            side.ask("claim", times=SETTLING)
        side.ask("fill", jobs=population.jobs, organisations=population.organisations)
        if not population.sudden:
            _execute(url, "VACUUM ANALYZE jobs")
        if held is not None:
            held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            held.execute("SELECT count(*) FROM jobs")
        if population.churned:
            side.ask("churn", jobs=population.jobs // 5)
        yield side
    finally:
        process.kill()
        process.wait()
        if held is not None:
            held.close()


def _execute(url: str, statement: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
