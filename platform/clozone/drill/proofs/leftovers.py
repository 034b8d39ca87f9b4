"""Nothing is stuck anywhere, and nothing was buried."""

from pathlib import Path

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.quiet import OWN_JOBS, UNFINISHED

# In one outage of PostgreSQL there may have been no webhook.
OUTAGES_WITHOUT_SPOOL = 2


def prove_nothing_stuck(evidence: Evidence) -> Proof:
    """No unfinished job, lease, reservation, unsettled event or spooled webhook is left."""
    proof = Proof("nothing stuck", "no job, lease, reservation, event or spool file is left over")
    scope = {"orgs": evidence.orgs, "calls": list(evidence.call_ids)}
    (jobs,) = evidence.database.rows(f"SELECT count(*) FROM ({OWN_JOBS}) own", **scope)  # noqa: S608
    proof.checked = jobs[0]
    for job_id, kind, state, attempt, error in evidence.database.rows(
        f"""
        SELECT id, kind, state, attempt, last_error FROM ({OWN_JOBS}) own
        WHERE {UNFINISHED} OR lease_expires_at IS NOT NULL
        """,  # noqa: S608 - constants only
        **scope,
    ):
        proof.expect(False, f"job {job_id} ({kind}) is {state}, attempt {attempt}: {error}")
    for call_id, kind in evidence.database.rows(
        """
        SELECT call_id, message_type FROM webhook_events
        WHERE call_id = ANY(%(calls)s) AND state = 'received'
        """,
        **scope,
    ):
        proof.expect(False, f"{kind} of call {call_id} was received and never processed")
    for call_id, job_id in evidence.database.rows(
        "SELECT id, job_id FROM llm_calls WHERE org_id = ANY(%(orgs)s) AND state = 'reserved'",
        **scope,
    ):
        proof.expect(False, f"model call {call_id} of job {job_id} is still reserved")
    spool = evidence.target.spool
    # It is made by the first webhook that has to wait, so that not to find it may be no good sign.
    used = spool.is_dir() or evidence.incidents.kills()["postgres"] < OUTAGES_WITHOUT_SPOOL
    proof.expect(used, f"{spool} is not there, though webhooks must have waited somewhere")
    for path in _spooled(evidence):
        proof.expect(False, f"{path} is still in the spool")
    proof.facts = {"jobs": jobs[0]}
    return proof


def _spooled(evidence: Evidence) -> list[Path]:
    """What waits in the spool or was refused by it. Hidden files were promised to nobody."""
    found = evidence.target.spool.rglob("*")
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def prove_tries(evidence: Evidence) -> Proof:
    """A job's effects happen in the one try that succeeded; of every other the end is on record."""
    proof = Proof("tries", "every job succeeded in exactly one of its tries")
    rows = evidence.database.rows(
        f"""
        SELECT own.id, own.kind, own.state, own.attempt, count(a.outcome),
          count(*) FILTER (WHERE a.outcome = 'succeeded'),
          count(*) FILTER (WHERE a.outcome = 'lost')
        FROM ({OWN_JOBS}) own LEFT JOIN job_attempts a ON a.job_id = own.id
        GROUP BY own.id, own.kind, own.state, own.attempt
        """,  # noqa: S608 - constants only
        orgs=evidence.orgs,
        calls=list(evidence.call_ids),
    )
    for job_id, kind, state, attempt, tries, succeeded, _ in rows:
        name = f"job {job_id} ({kind}, {state})"
        wanted = 1 if state == "succeeded" else 0
        proof.expect(succeeded == wanted, f"{name} succeeded {succeeded} times, not {wanted}")
        proof.expect(tries == attempt, f"{name} was tried {attempt} times, {tries} on record")
    proof.facts = {"tries": sum(row[4] for row in rows), "lost": sum(row[6] for row in rows)}
    return proof


def prove_nothing_buried(evidence: Evidence) -> Proof:
    """No job died: every fault of a drill passes."""
    proof = Proof("nothing buried", "no job is dead because of a fault that passed")
    for job_id, kind, state, failures, lost, error in evidence.database.rows(
        f"SELECT id, kind, state, failures, lost, last_error FROM ({OWN_JOBS}) own",  # noqa: S608
        orgs=evidence.orgs,
        calls=list(evidence.call_ids),
    ):
        proof.expect(
            state not in ("dead", "cancelled"),
            f"job {job_id} ({kind}) is {state} after {failures} failures, {lost} lost: {error}",
        )
    return proof
