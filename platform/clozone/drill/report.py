"""What came of a drill: for people as tables, for programs as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from clozone.drill.calls import DrillCall
from clozone.drill.evidence import Evidence, Proof
from clozone.drill.orders import Orders
from clozone.drill.schedule import Act

Json = dict[str, Any]
# A drill with so many kills or more is to meet every kind of fault.
KILLS_WITH_EVERYTHING = 10
# Armed for the drill's own sake.
DELAYS = frozenset({"latency", "long answer"})


@dataclass(frozen=True, slots=True)
class Report:
    """One drill. `seconds` by phase; `kills` by part; `model_faults` by kind."""

    seed: int
    calls: int
    kills_wanted: int
    kills: dict[str, int]
    freezes: int
    wipes: int
    model_faults: dict[str, int]
    model_failures: dict[str, int]
    traffic: Json
    seconds: dict[str, float]
    proofs: list[Proof]
    incidents: list[Json]
    came_to_rest: bool

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or stuck."""
        return self.came_to_rest and all(proof.holds for proof in self.proofs)

    @property
    def shortfalls(self) -> list[str]:
        """What the drill was to do or to see and did not: no loss, but no proof of the contrary."""
        done = sum(self.kills.values())
        missing = [f"{done} of {self.kills_wanted} kills could be done"]
        missing = missing if done < self.kills_wanted else []
        if self.kills_wanted >= KILLS_WITH_EVERYTHING:
            facts = {proof.name: proof.facts for proof in self.proofs}
            wanted = {
                "no worker was frozen": self.freezes,
                "Redis was never wiped": self.wipes,
                "no fault of the model was armed": sum(
                    count for kind, count in self.model_faults.items() if kind not in DELAYS
                ),
                "no job was interrupted by a kill": facts["recovery"]["by_kill"]["jobs"],
            }
            missing += [words for words, count in wanted.items() if not count]
        return missing

    @property
    def interrupted_answers(self) -> int:
        """Answers that a provider would have charged for and that nobody has: see the payments."""
        facts = (proof.facts for proof in self.proofs if proof.name == "payments")
        return sum(int(each["interrupted_answers"]) for each in facts)

    def as_json(self) -> Json:
        """For programs."""
        return {
            "ok": self.ok,
            "shortfalls": self.shortfalls,
            **asdict(self),
            "kills_total": sum(self.kills.values()),
            "interrupted_answers": self.interrupted_answers,
            "proofs": [asdict(proof) | {"holds": proof.holds} for proof in self.proofs],
        }


def write_report(
    orders: Orders,
    evidence: Evidence,
    proofs: list[Proof],
    seconds: dict[str, float],
    *,
    model_faults: dict[str, int],
    came_to_rest: bool,
) -> Report:
    """Put together what came of a drill."""
    incidents, promises = evidence.incidents, evidence.promises
    working = seconds["under fire"] + seconds["quiet"]
    return Report(
        seed=orders.seed,
        calls=len(evidence.calls),
        kills_wanted=orders.kills,
        kills=dict(incidents.kills()),
        freezes=incidents.count(Act.freeze),
        wipes=incidents.count(Act.wipe),
        model_faults=model_faults,
        model_failures=evidence.answers.failed,
        traffic={
            "calls": _sorts(evidence.calls),
            "messages": len(promises.accepted),
            "deliveries": promises.deliveries,
            "answers": dict(promises.answers),
            "calls_per_second": round(len(evidence.calls) / working, 2),
        },
        seconds=seconds,
        proofs=proofs,
        incidents=[asdict(each) for each in incidents.all()],
        came_to_rest=came_to_rest,
    )


def _sorts(calls: list[DrillCall]) -> dict[str, int]:
    return {
        "gradable": sum(call.gradable for call in calls),
        "not_gradable": sum(not call.gradable for call in calls),
        "twins": sum(call.twin_of is not None for call in calls),
        "started_by_the_API": sum(call.prepared for call in calls),
    }


def show(report: Report, console: Console) -> None:
    """Print the summary."""
    console.print(_proofs(report), _figures(report))
    for proof in report.proofs:
        for example in proof.examples:
            console.print(f"✗ {proof.name}: {example}", style="red", highlight=False)
        if proof.wrong > len(proof.examples):
            console.print(f"✗ {proof.name}: {proof.wrong - len(proof.examples)} more", style="red")
    if report.interrupted_answers:
        console.print(
            f"{report.interrupted_answers} answers of the model were lost with the worker that was "
            "reading them; the provider has charged for them, and they had to be asked for again. "
            "The account book counts each at its most (docs/drill.md).",
            highlight=False,
        )
    if not report.came_to_rest:
        console.print("✗ The platform did not come to rest in time.", style="red")
    for words in report.shortfalls:
        console.print(f"– {words}", style="yellow", highlight=False)
    console.print(_verdict(report), highlight=False)


def _verdict(report: Report) -> str:
    if not report.ok:
        return f"[red]✗ the drill found what must not be (seed {report.seed})[/]"
    if report.shortfalls:
        return (
            f"[yellow]– nothing lost was found, by less than was asked for (seed {report.seed})[/]"
        )
    return f"[green]✓ nothing lost, nothing twice (seed {report.seed})[/]"


def _proofs(report: Report) -> Table:
    table = Table(box=box.SIMPLE, title="Proofs", title_justify="left", pad_edge=False)
    for name in ("", "claim", "checked", "wrong"):
        table.add_column(name, justify="right" if name in ("checked", "wrong") else "left")
    for proof in report.proofs:
        mark = "[green]✓[/]" if proof.is_shown else "–" if proof.holds else "[red]✗[/]"
        table.add_row(mark, proof.claim, str(proof.checked), str(proof.wrong))
    return table


def _figures(report: Report) -> Table:
    table = Table(box=box.SIMPLE, title="The drill", title_justify="left", pad_edge=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("", overflow="fold")
    seconds, facts = report.seconds, {proof.name: proof.facts for proof in report.proofs}
    table.add_row("kills", f"{sum(report.kills.values())}: {_listed(report.kills)}")
    table.add_row("freezes, wipes of Redis", f"{report.freezes}, {report.wipes}")
    table.add_row("model faults armed", _listed(report.model_faults))
    table.add_row("the model failed", _listed(report.model_failures))
    table.add_row("calls", f"{report.calls} ({_listed(report.traffic['calls'])})")
    table.add_row("deliveries accepted", str(report.traffic["deliveries"]))
    table.add_row("answers by status", _listed(report.traffic["answers"]))
    table.add_row("throughput", f"{report.traffic['calls_per_second']} calls/s, faults included")
    table.add_row("seconds", _listed(seconds))
    for name in ("recovery", "payments"):
        for fact, value in facts.get(name, {}).items():
            if isinstance(value, list):
                continue
            shown = _listed(value) if isinstance(value, dict) else str(value)
            table.add_row(fact.replace("_", " "), shown)
    return table


def _listed(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()) or "–"
