"""No content is paid for twice, and the account book knows every answer that the model gave.

The platform reserves, asks, settles. Between the model's answering and the settling lies a moment in
which a worker can be killed or frozen: the answer is lost, the provider has charged for it, and the
content has to be asked again. No platform can see the lost answer; ours counts the call that was
given up at the most it may have cost. Such answers are counted apart, as interrupted answers.
"""

from collections import defaultdict

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.proofs.book import Account, read_book


def prove_payments(evidence: Evidence) -> Proof:
    """The book against itself, against the model's own count, and for the twins."""
    proof = Proof("payments", "no content is paid for twice")
    book = read_book(evidence)
    bought = sum(each.bought for each in book)
    twice = [content for each in book for content in each.twice]
    proof.checked += bought
    for org_id, key in twice:
        proof.expect(False, f"content {key.hex()[:16]} of {org_id} was bought more than once")
    _prove_twins(evidence, proof)
    answered = sum(evidence.answers.by_content.values())
    useless = sum(each.useless for each in book)
    proof.facts = {
        "contents_bought": bought,
        "double_payments": len(twice),
        "answers_of_the_model": answered,
        "useless_answers": useless,
        "interrupted_answers": answered - bought - useless,
        "of_which_recorded_late": sum(each.late for each in book),
        "calls_given_up": sum(each.given_up for each in book),
    }
    if evidence.alone:
        for account in book:
            _prove_account(account, proof)
        contents = len(evidence.answers.by_content)
        proof.expect(
            contents == bought, f"the model answered {contents} contents, the book has {bought}"
        )
    return proof


def _prove_account(account: Account, proof: Proof) -> None:
    """What the model counted of one content against what the book says of it."""
    name = ", ".join(sorted({call.key.hex()[:16] for call in account.calls})) or "not in the book"
    interrupted = account.interrupted
    proof.expect(
        interrupted >= 0,
        f"content {name}: the book has {-interrupted} answers the model never gave",
    )
    proof.expect(
        interrupted <= account.explained,
        f"content {name}: {interrupted} answers were lost, the book accounts for "
        f"{account.explained}",
    )
    proof.expect(
        account.asked <= len(account.calls),
        f"content {name}: the model was asked {account.asked} times, the book has "
        f"{len(account.calls)} calls",
    )


def prove_budgets(evidence: Evidence) -> Proof:
    """What each budget has spent is the sum of its calls, and nothing stays reserved."""
    proof = Proof("budgets", "what budgets have spent is the sum of their calls")
    rows = evidence.database.rows(
        """
        SELECT b.id, coalesce(sum(w.reserved_microdollars), 0),
          coalesce(sum(w.spent_microdollars), 0),
          (SELECT coalesce(sum(coalesce(c.cost_microdollars, c.reserved_microdollars)), 0)
            FROM llm_calls c WHERE b.id = ANY(c.budget_ids))
        FROM budgets b LEFT JOIN budget_windows w ON w.budget_id = b.id
        WHERE b.org_id = ANY(%(orgs)s) GROUP BY b.id
        """,
        orgs=evidence.orgs,
    )
    for budget_id, reserved, spent, calls in rows:
        proof.expect(reserved == 0, f"budget {budget_id} still holds {reserved} reserved")
        proof.expect(spent == calls, f"budget {budget_id} says {spent}, its calls {calls}")
    proof.facts = {"spent_microdollars": int(sum(row[2] for row in rows))}
    return proof


def _prove_twins(evidence: Evidence, proof: Proof) -> None:
    """Twins must share a content, or that nothing was paid twice would say nothing about them."""
    rows = evidence.database.rows(
        """
        SELECT s.vapi_call_id, c.cache_key FROM llm_calls c
        JOIN training_sessions s ON s.id = c.session_id
        WHERE s.vapi_call_id = ANY(%(calls)s) AND c.state IN ('settled', 'cached')
        """,
        calls=list(evidence.call_ids),
    )
    keys: dict[int, set[bytes]] = defaultdict(set)
    for call_id, key in rows:
        keys[evidence.call_ids[call_id].number].add(key)
    twins = [call for call in evidence.calls if call.twin_of is not None]
    for twin in twins:
        shared = keys[twin.number] & keys[twin.content]
        proof.expect(bool(shared), f"calls {twin.content} and {twin.number} share no content")
