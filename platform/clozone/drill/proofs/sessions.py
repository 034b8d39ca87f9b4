"""Every call is one session, and every gradable session has one grade."""

from collections import defaultdict

from clozone.drill.evidence import Evidence, Proof


def prove_sessions(evidence: Evidence) -> Proof:
    """One session for each call, ended as the call deserves, with one grade or none."""
    proof = Proof("grades", "every gradable session has one grade, every other has none")
    rows = evidence.database.rows(
        """
        SELECT s.vapi_call_id, s.id, s.org_id, s.status, s.not_gradable_reason,
          (SELECT count(*) FROM session_grades g WHERE g.session_id = s.id)
        FROM training_sessions s WHERE s.vapi_call_id = ANY(%(calls)s)
        """,
        calls=list(evidence.call_ids),
    )
    found = defaultdict(list)
    for row in rows:
        found[row[0]].append(row[1:])
    gradable = 0
    for call_id, call in evidence.call_ids.items():
        sessions = found[call_id]
        proof.expect(len(sessions) == 1, f"call {call.number} has {len(sessions)} sessions")
        for session_id, org_id, status, reason, grades in sessions:
            name = f"session {session_id} of call {call.number}"
            owner = evidence.world[call.organisation].id
            proof.expect(org_id == owner, f"{name} is another organisation's")
            promised = evidence.promises.sessions.get(call.number, session_id)
            proof.expect(session_id == promised, f"{name} is not the one that the API started")
            wanted = call.call.expected.status
            proof.expect(status == wanted, f"{name} is {status} ({reason}), not {wanted}")
            expected = 1 if call.gradable else 0
            proof.expect(grades == expected, f"{name} has {grades} grades, not {expected}")
            gradable += expected
    proof.facts = {"sessions": len(rows), "gradable": gradable}
    return proof


def prove_transcripts(evidence: Evidence) -> Proof:
    """What the API took on (202) was done, and its result is kept."""
    proof = Proof("transcripts", "every transcript taken on for grading has its result")
    rows = evidence.database.rows(
        "SELECT id, state, result ->> 'status' FROM jobs WHERE id = ANY(%(ids)s)",
        ids=evidence.promises.transcripts,
    )
    found = {job_id: (state, result) for job_id, state, result in rows}
    for job_id in evidence.promises.transcripts:
        came = found.get(job_id, ("missing", None))
        proof.expect(came == ("succeeded", "completed"), f"job {job_id}: {came[0]}, {came[1]}")
    return proof
