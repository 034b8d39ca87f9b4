"""No content is paid for twice, and the account book knows every answer that the model gave.

The platform reserves, asks, settles. Between the model's answering and the settling lies a moment in
which a worker can be killed or frozen: the answer is lost, the provider has charged for it, and the
content has to be asked again. No platform can see the lost answer; ours counts the call that was
given up at the most it may have cost. Such answers are counted apart, as interrupted answers.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from clozone.drill.evidence import Evidence, Proof

Content = tuple[UUID, bytes]


@dataclass(frozen=True, slots=True)
class _Call:
    org_id: UUID
    key: bytes
    state: str
    job_id: UUID | None
    told: bool
    unknown: bool
    created_at: datetime

    @property
    def content(self) -> Content:
        return self.org_id, self.key


@dataclass(frozen=True, slots=True)
class Payments:
    """The account book in figures.

    `bought`: contents with a usable answer. `useless`: answers that were paid for and could not be
    used, so that asking again was right. `given_up`: calls of which nobody knows whether they were
    answered; they count at their most. `late`: answers of a worker that had lost its job meanwhile,
    and that were recorded all the same. `twice`: contents bought twice with no such reason.
    """

    bought: int
    useless: int
    given_up: int
    late: int
    twice: list[Content]


def read_payments(evidence: Evidence) -> Payments:
    """Read the account book of the drill's organisations."""
    calls = [
        _Call(*row)
        for row in evidence.database.rows(
            """
            SELECT org_id, cache_key, state, job_id, prompt_tokens IS NOT NULL,
              state = 'failed' AND cost_microdollars IS NULL AND prompt_tokens IS NULL, created_at
            FROM llm_calls WHERE org_id = ANY(%(orgs)s)
            """,
            orgs=evidence.orgs,
        )
    ]
    lost = _lost_tries(evidence)
    settled: dict[Content, list[_Call]] = defaultdict(list)
    for call in calls:
        if call.state == "settled":
            settled[call.content].append(call)
    late, twice = 0, []
    for content, bought in settled.items():
        excused = min(len(bought) - 1, sum(_was_lost(call, lost) for call in bought))
        late += excused
        if len(bought) - excused > 1:
            twice.append(content)
    return Payments(
        bought=len(settled),
        useless=sum(call.state == "failed" and call.told for call in calls),
        given_up=sum(call.unknown for call in calls),
        late=late,
        twice=twice,
    )


def prove_payments(evidence: Evidence) -> Proof:
    """The book against itself, against the model's own count, and for the twins."""
    proof = Proof("payments", "no content is paid for twice")
    book = read_payments(evidence)
    proof.checked += book.bought
    for org_id, key in book.twice:
        proof.expect(False, f"content {key.hex()[:16]} of {org_id} was bought more than once")
    _prove_twins(evidence, proof)
    answered = sum(evidence.answers.by_content.values())
    interrupted = answered - book.bought - book.useless
    proof.facts = {
        "contents_bought": book.bought,
        "double_payments": len(book.twice),
        "answers_of_the_model": answered,
        "useless_answers": book.useless,
        "interrupted_answers": interrupted,
        "of_which_recorded_late": book.late,
        "calls_given_up": book.given_up,
    }
    if not evidence.alone:
        return proof
    proof.expect(interrupted >= 0, f"the book has {-interrupted} answers the model never gave")
    # Those recorded late are in the book by themselves; every other must have been given up there.
    known = book.late + book.given_up
    proof.expect(
        interrupted <= known,
        f"{interrupted} answers were lost, and the book knows of {known} at most",
    )
    contents = len(evidence.answers.by_content)
    proof.expect(
        contents == book.bought,
        f"the model answered {contents} contents, the book has {book.bought}",
    )
    return proof


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


def _lost_tries(evidence: Evidence) -> dict[UUID, list[tuple[datetime, datetime]]]:
    tries: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
    for job_id, begun, ended in evidence.database.rows(
        """
        SELECT job_id, started_at, finished_at FROM job_attempts
        WHERE org_id = ANY(%(orgs)s) AND outcome = 'lost' AND finished_at IS NOT NULL
        """,
        orgs=evidence.orgs,
    ):
        tries[job_id].append((begun, ended))
    return tries


def _was_lost(call: _Call, lost: dict[UUID, list[tuple[datetime, datetime]]]) -> bool:
    tries: Iterable[tuple[datetime, datetime]] = lost.get(call.job_id, ()) if call.job_id else ()
    return any(begun <= call.created_at <= ended for begun, ended in tries)
