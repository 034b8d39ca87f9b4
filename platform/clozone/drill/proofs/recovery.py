"""How soon a job runs again whose worker was killed while it ran."""

from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.incidents import Incident, both, seconds_within
from clozone.drill.parts import SECOND_WORKER, WORKERS
from clozone.drill.proofs.lost import lost_tries
from clozone.drill.schedule import Act

LONGEST_SECONDS = 10.0
# A job cannot run while one of these is away, so the clock stands still then.
_NEEDED = ("postgres", "valkey", "scheduler")


@dataclass(frozen=True, slots=True)
class _Recovery:
    """`seconds` that count, of `elapsed` in all."""

    act: Act
    victim: str
    at: str
    job: str
    kind: str
    seconds: float
    elapsed: float


def prove_recovery(evidence: Evidence) -> Proof:
    """From SIGKILL to the job's next start, not counting the time without a worker or a server."""
    proof = Proof(
        "recovery",
        f"a job whose worker is killed runs again within {LONGEST_SECONDS:.0f} s",
        may_be_idle=True,
    )
    lost = lost_tries(evidence)
    found = []
    for each in lost:
        incident = each.cause
        if incident is None or incident.name not in WORKERS:
            continue
        if each.again is None:
            words = f"job {each.job_id} ({each.kind}) was interrupted and never started again"
            proof.expect(False, words)
            continue
        recovery = _Recovery(
            act=incident.act,
            victim=incident.name,
            at=f"{incident.at:%H:%M:%S}",
            job=str(each.job_id),
            kind=each.kind,
            seconds=round(_seconds(evidence, incident, each.again), 2),
            elapsed=round((each.again - incident.at).total_seconds(), 2),
        )
        found.append(recovery)
        if incident.act is Act.kill:
            proof.expect(recovery.seconds <= LONGEST_SECONDS, _words(recovery))
    proof.facts = {
        "interrupted_jobs": len(lost),
        "by_kill": _figures(found, Act.kill),
        "by_freeze": _figures(found, Act.freeze),
        "by_an_outage": sum(
            each.cause is not None and each.cause.name == "postgres" for each in lost
        ),
        "recoveries": [asdict(each) for each in found],
    }
    return proof


def _seconds(evidence: Evidence, incident: Incident, again: datetime) -> float:
    record = evidence.incidents
    away = [span for name in _NEEDED for span in record.absences(name, again)]
    away += both(record.absences("worker", again), record.absences(SECOND_WORKER, again))
    total = (again - incident.at).total_seconds()
    return total - seconds_within(incident.at, again, away)


def _words(recovery: _Recovery) -> str:
    return (
        f"job {recovery.job} ({recovery.kind}) started again {recovery.seconds} s after "
        f"{recovery.victim} was killed at {recovery.at} ({recovery.elapsed} s by the clock)"
    )


def _figures(found: list[_Recovery], act: Act) -> dict[str, Any]:
    seconds = [each.seconds for each in found if each.act is act]
    if not seconds:
        return {"jobs": 0}
    return {
        "jobs": len(seconds),
        "median_seconds": round(median(seconds), 2),
        "longest_seconds": round(max(seconds), 2),
    }
