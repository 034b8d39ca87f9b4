"""All proofs, in the order in which a call goes through the platform."""

from collections.abc import Callable

from clozone.drill.evidence import Evidence, Proof
from clozone.drill.proofs.inbox import prove_accepted, prove_inbox
from clozone.drill.proofs.leftovers import prove_nothing_buried, prove_nothing_stuck, prove_tries
from clozone.drill.proofs.lost import prove_leases
from clozone.drill.proofs.payments import prove_budgets, prove_payments
from clozone.drill.proofs.recovery import prove_recovery
from clozone.drill.proofs.rollup import prove_rollup
from clozone.drill.proofs.scorecards import prove_scorecards
from clozone.drill.proofs.sessions import prove_sessions, prove_transcripts

_PROOFS: tuple[Callable[[Evidence], Proof], ...] = (
    prove_accepted,
    prove_inbox,
    prove_sessions,
    prove_transcripts,
    prove_scorecards,
    prove_rollup,
    prove_payments,
    prove_budgets,
    prove_tries,
    prove_nothing_stuck,
    prove_nothing_buried,
    prove_leases,
    prove_recovery,
)


def prove_all(evidence: Evidence) -> list[Proof]:
    """Check every claim."""
    return [prove(evidence) for prove in _PROOFS]
