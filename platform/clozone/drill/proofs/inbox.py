"""Every accepted webhook is one row of the inbox, and something came of it."""

from collections import Counter

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.script import Key


def prove_accepted(evidence: Evidence) -> Proof:
    """Nothing stays refused: whoever keeps trying is let in."""
    proof = Proof("accepted", "every webhook is accepted in the end")
    promises = evidence.promises
    for key in {*promises.accepted, *promises.open}:
        proof.expect(promises.accepted[key] > 0, f"never accepted: {_words(key)}")
    proof.facts = {"answers": dict(promises.answers)}
    return proof


def prove_inbox(evidence: Evidence) -> Proof:
    """Each accepted message is stored once and as it was sent, however often, and is settled."""
    proof = Proof("inbox", "every accepted webhook has one inbox row, in a final state")
    rows = evidence.database.rows(
        """
        SELECT call_id, message_type,
          coalesce(convert_from(body, 'UTF8')::jsonb -> 'message' ->> 'status', ''),
          state, reason, deliveries, encode(sha256(body), 'hex')
        FROM webhook_events WHERE call_id = ANY(%(calls)s)
        """,
        calls=list(evidence.call_ids),
    )
    stored: Counter[Key] = Counter()
    counted = 0
    for call, kind, status, state, reason, deliveries, digest in rows:
        key = (call, kind, status)
        stored[key] += 1
        counted += deliveries
        fine = state in ("processed", "ignored") and deliveries >= 1
        proof.expect(fine, f"{_words(key)} is {state} ({reason}), deliveries {deliveries}")
        sent = digest in evidence.promises.bodies[key]
        proof.expect(sent, f"{_words(key)} is stored with a body that was never sent")
    for key in evidence.promises.accepted:
        proof.expect(stored[key] == 1, f"{stored[key]} rows for {_words(key)}")
    proof.facts = {
        "messages": len(evidence.promises.accepted),
        "rows": len(rows),
        "deliveries_accepted": evidence.promises.deliveries,
        "deliveries_counted": counted,
    }
    return proof


def _words(key: Key) -> str:
    call, kind, status = key
    return f"{kind} {status} of call {call}".replace("  ", " ")
