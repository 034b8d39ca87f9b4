"""Nothing is stuck anywhere, and nothing was buried."""

from pathlib import Path

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.quiet import OWN_JOBS, UNFINISHED


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
    for job_id, attempt in evidence.database.rows(
        f"""
        SELECT a.job_id, a.attempt FROM job_attempts a JOIN ({OWN_JOBS}) own ON own.id = a.job_id
        WHERE a.outcome = 'running'
        """,  # noqa: S608 - constants only
        **scope,
    ):
        proof.expect(False, f"try {attempt} of job {job_id} never ended")
    for path in _spooled(evidence):
        proof.expect(False, f"{path} is still in the spool")
    proof.facts = {"jobs": jobs[0]}
    return proof


def _spooled(evidence: Evidence) -> list[Path]:
    """What waits in the spool or was refused by it. Hidden files were promised to nobody."""
    found = evidence.target.spool.rglob("*")
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


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
