"""From the rollup's sums to the figures that people read. Pure functions, called for every answer."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import sub
from typing import Any

MS_PER_MINUTE = 60_000
PERMILLE = 1_000

# The sums of the rollup in the order of its columns, of a period or up to a day. Whole numbers.
Sums = Sequence[int]
NOTHING: Sums = (0,) * 10


def difference(later: Sums, earlier: Sums) -> Sums:
    """What was added between two days: sums, or counts of scores."""
    return tuple(map(sub, later, earlier))


def figures(sums: Sums, score_counts: Sequence[int]) -> dict[str, Any]:
    """The members of `Figures`."""
    (
        sessions,
        graded,
        passed,
        not_gradable,
        closed_won,
        score_sum,
        duration_ms,
        talk_ratio_permille,
        talk_ratio_sessions,
        call_cost_microdollars,
    ) = sums
    median, high = percentiles(score_counts, 50, 90)
    return {
        "sessions": sessions,
        "graded": graded,
        "not_gradable": not_gradable,
        "passed": passed,
        "pass_rate": round(passed / graded, 4) if graded else None,
        "average_score": round(score_sum / graded, 2) if graded else None,
        "score_p50": median,
        "score_p90": high,
        "closed_won": closed_won,
        "minutes": minutes(duration_ms),
        "average_talk_ratio": (
            round(talk_ratio_permille / (talk_ratio_sessions * PERMILLE), 3)
            if talk_ratio_sessions
            else None
        ),
        "call_cost_microdollars": call_cost_microdollars,
    }


def minutes(duration_ms: int) -> float:
    """Minutes on calls."""
    return round(duration_ms / MS_PER_MINUTE, 1)


def percentiles(score_counts: Sequence[int], *percents: int) -> list[int | None]:
    """The nearest-rank percentiles: the least score that `percent` % of the scores do not exceed.

    `score_counts[s]` is how many have the score s. None without any score.
    """
    reached = list(accumulate(score_counts))
    scores = reached[-1]
    if not scores:
        return [None] * len(percents)
    # The rank is rounded up, in whole numbers.
    return [bisect_left(reached, -(-scores * percent // 100)) for percent in percents]
