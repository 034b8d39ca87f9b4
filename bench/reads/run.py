"""One run of the bench: what was chosen, and rounds in which the cases take turns."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bench.reads.processes import cpu_seconds
from bench.reads.stacks import Pair, Server
from bench.reads.stage import Stage
from bench.reads.wrk import Load, Requests, run_wrk

WARM_UP_SECONDS = 1.0
CONNECTIONS = 32


@dataclass
class Run:
    """The stage, the number of rounds, the seconds of load of each case, the sizes, in order.

    `rounds_told` collects what each round of each case measured, and under which load average.
    """

    stage: Stage
    rounds: int
    seconds: float
    sizes: list[str]
    rounds_told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def main_size(self) -> str:
        """The size at which what is not about size is measured: 1m if it is there."""
        return "1m" if "1m" in self.sizes else self.sizes[-1]

    def take_turns(self, part: str, cases: Mapping[str, "Case"]) -> dict[str, list[Load]]:
        """Load each case once a round, in an order that rotates; the loads by case.

        Before each there is a short load that does not count. The bench ends when anything was refused
        or broke: what came of such a round measures something else.
        """
        loads: defaultdict[str, list[Load]] = defaultdict(list)
        names = list(cases)
        for number in range(self.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                case = cases[name]
                self.stage.stores.forget_counts()
                case.prepare()
                case.load(WARM_UP_SECONDS)
                load = case.load(self.seconds)
                require_served(f"{part}: {name}", load)
                self.tell(f"{part}: {name}", number, asdict(load))
                loads[name].append(load)
        return loads

    def tell(self, case: str, number: int, measured: dict[str, Any]) -> None:
        """Print what a round measured, and keep it with the load average."""
        average = round(os.getloadavg()[0], 2)
        self.rounds_told.append(
            {"case": case, "round": number, **measured, "load_average": average}
        )
        shown = ", ".join(
            f"{name} {value:g}" for name, value in measured.items() if value is not None
        )
        print(f"  {time.strftime('%H:%M:%S')} {case}: {shown} (load {average:g})", flush=True)


def require_served(case: str, load: Load) -> None:
    """End the bench unless every request of this load was answered with what it asked for."""
    if load.refused or load.broken or not load.requests:
        raise SystemExit(
            f"{case}: {load.requests} requests were served, {load.refused} refused (400 and above) and "
            f"{load.broken} broke off, so this is no measurement. Run it again when the machine is quieter; what is "
            "refused every time is a fault of the stack."
        )


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Case:
    """Requests to a server; `prepare` is called before each load."""

    server: Server | Pair
    requests: Requests
    connections: int = CONNECTIONS
    prepare: Callable[[], None] = _nothing

    def load(self, seconds: float) -> Load:
        """Load the server for so long."""
        before = cpu_seconds(self.server.pids)
        load = run_wrk(
            self.server.port, self.requests, seconds=seconds, connections=self.connections
        )
        used = cpu_seconds(self.server.pids) - before
        return replace(load, cpu_us=round(used * 1e6 / max(load.requests, 1), 1))
