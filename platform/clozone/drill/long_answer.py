"""An answer of the model that takes longer than leases last, so that they must have been extended."""

from clozone.drill.errors import DrillError
from clozone.drill.target import Target

LEASES = 2
MARGIN_SECONDS = 2.0


def long_answer_seconds(target: Target) -> float:
    """How long the answer has to take. Raises DrillError when the bundle would not wait for it."""
    lease = target.lease_seconds
    seconds = LEASES * lease + MARGIN_SECONDS
    if float(target.setting("LLM_TIMEOUT_SECONDS")) < seconds + MARGIN_SECONDS:
        raise DrillError(
            f"With JOB_LEASE_SECONDS={lease:g} the drill needs an LLM_TIMEOUT_SECONDS of at least "
            f"{seconds + MARGIN_SECONDS:g}, to see that long jobs keep their leases."
        )
    return seconds
