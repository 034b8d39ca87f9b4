"""Tries that a worker lost, and what made it lose them."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.incidents import Incident
from clozone.drill.long_answer import LEASES
from clozone.drill.quiet import OWN_JOBS
from clozone.drill.schedule import Act

# Between the drill's noting a signal and its arriving a job can be claimed.
SIGNAL = timedelta(seconds=0.5)
# After an outage of PostgreSQL: until the leases that ran out meanwhile are found.
SWEEP = timedelta(seconds=3)

_LOST = f"""
SELECT a.job_id, own.kind, a.worker, a.started_at, a.finished_at,
  (SELECT min(b.started_at) FROM job_attempts b
    WHERE b.job_id = a.job_id AND b.attempt > a.attempt)
FROM job_attempts a JOIN ({OWN_JOBS}) own ON own.id = a.job_id
WHERE a.outcome = 'lost'
"""  # noqa: S608 - constants only

_LONG = f"""
SELECT count(*), coalesce(max(extract(epoch FROM a.finished_at - a.started_at)), 0)::float
FROM job_attempts a JOIN ({OWN_JOBS}) own ON own.id = a.job_id
WHERE a.outcome = 'succeeded' AND a.finished_at - a.started_at > %(long)s
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class LostTry:
    """One try; `again` is when the next began. `cause` is None where nothing on record explains it."""

    job_id: UUID
    kind: str
    worker: str
    began: datetime
    ended: datetime
    again: datetime | None
    cause: Incident | None

    def covers(self, moment: datetime) -> bool:
        """Whether the try was under way then."""
        return self.began <= moment <= self.ended


def lost_tries(evidence: Evidence) -> list[LostTry]:
    """Every lost try of the drill's jobs."""
    rows = evidence.database.rows(_LOST, orgs=evidence.orgs, calls=list(evidence.call_ids))
    return [LostTry(*(*row, _cause(evidence, *row[2:5]))) for row in rows]


def excused_tries(evidence: Evidence) -> dict[UUID, list[LostTry]]:
    """The lost tries that something on record explains, by job."""
    excused: dict[UUID, list[LostTry]] = defaultdict(list)
    for each in lost_tries(evidence):
        if each.cause is not None:
            excused[each.job_id].append(each)
    return excused


def prove_leases(evidence: Evidence) -> Proof:
    """A job is taken only from a worker that something happened to, however long it runs."""
    proof = Proof("leases", "no job is taken from a worker that nothing happened to")
    lost = lost_tries(evidence)
    for each in lost:
        proof.expect(
            each.cause is not None,
            f"job {each.job_id} ({each.kind}) was taken from {each.worker} at {each.ended:%T}, after "
            f"{(each.ended - each.began).total_seconds():.1f} s, and nothing had happened to it",
        )
    long = timedelta(seconds=LEASES * evidence.target.lease_seconds)
    ((count, longest),) = evidence.database.rows(
        _LONG, orgs=evidence.orgs, calls=list(evidence.call_ids), long=long
    )
    proof.expect(count > 0, f"no job ran for {long.total_seconds():.0f} s and kept its lease")
    proof.facts = {
        "tries_lost": len(lost),
        "tries_longer_than_two_leases": count,
        "longest_try_seconds": round(longest, 1),
    }
    return proof


def _cause(evidence: Evidence, worker: str, began: datetime, ended: datetime) -> Incident | None:
    """The last thing done to the worker during the try; else PostgreSQL's absence at its end."""
    number = worker.rpartition(":")[2]
    incidents = evidence.incidents.all()
    hits = [
        each for each in incidents if str(each.pid) == number and began - SIGNAL <= each.at <= ended
    ]
    if hits:
        return hits[-1]
    # While it is away nobody can extend a lease.
    after = timedelta(seconds=evidence.target.lease_seconds) + SWEEP
    outages = [
        each
        for each in incidents
        if (each.act, each.name) == (Act.kill, "postgres")
        and each.at <= ended <= (each.ended_at or ended) + after
        and began <= (each.ended_at or ended)
    ]
    return outages[-1] if outages else None
