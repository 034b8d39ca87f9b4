"""How soon a job runs again whose worker was killed while it ran."""

from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.incidents import Incident, both, seconds_within
from clozone.drill.parts import SECOND_WORKER
from clozone.drill.quiet import OWN_JOBS
from clozone.drill.schedule import Act

LONGEST_SECONDS = 10.0
# A job cannot run while one of these is away, so the clock stands still then.
_NEEDED = ("postgres", "valkey", "scheduler")

_INTERRUPTED = f"""
SELECT a.job_id, own.kind, a.worker, a.started_at, a.finished_at,
  (SELECT min(b.started_at) FROM job_attempts b
    WHERE b.job_id = a.job_id AND b.attempt > a.attempt)
FROM job_attempts a JOIN ({OWN_JOBS}) own ON own.id = a.job_id
WHERE a.outcome = 'lost'
"""  # noqa: S608 - constants only


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
        "recovery", f"a job whose worker is killed runs again within {LONGEST_SECONDS:.0f} s"
    )
    rows = evidence.database.rows(_INTERRUPTED, orgs=evidence.orgs, calls=list(evidence.call_ids))
    found, others = [], []
    for job_id, kind, worker, begun, ended, again in rows:
        incident = _cause(evidence.incidents.all(), worker, begun, ended)
        if incident is None:
            # A lease can also run out because PostgreSQL was away too long for it to be extended.
            others.append(
                {
                    "job": str(job_id),
                    "kind": kind,
                    "worker": worker,
                    "from": f"{begun:%T}",
                    "to": f"{ended:%T}",
                }
            )
            continue
        if again is None:
            proof.expect(False, f"job {job_id} ({kind}) was interrupted and never started again")
            continue
        recovery = _Recovery(
            act=incident.act,
            victim=incident.name,
            at=f"{incident.at:%H:%M:%S}",
            job=str(job_id),
            kind=kind,
            seconds=round(_seconds(evidence, incident, again), 2),
            elapsed=round((again - incident.at).total_seconds(), 2),
        )
        found.append(recovery)
        if incident.act is Act.kill:
            proof.expect(recovery.seconds <= LONGEST_SECONDS, _words(recovery))
    # No job ran on the workers that were killed: then there is nothing to recover.
    proof.checked = max(proof.checked, 1)
    proof.facts = {
        "interrupted_jobs": len(rows),
        "by_kill": _figures(found, Act.kill),
        "by_freeze": _figures(found, Act.freeze),
        "leases_that_ran_out": others,
        "recoveries": [asdict(each) for each in found],
    }
    return proof


def _cause(
    incidents: list[Incident], worker: str, begun: datetime, ended: datetime
) -> Incident | None:
    """What interrupted a try: the last thing done to its worker while it ran."""
    pid = int(worker.rpartition(":")[2]) if worker.rpartition(":")[2].isdigit() else None
    hits = [each for each in incidents if each.pid == pid and begun <= each.at <= ended]
    return hits[-1] if hits and pid is not None else None


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
