"""From the rollup's sums to the figures that people read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

MS_PER_MINUTE = 60_000
PERMILLE = 1_000


@dataclass(frozen=True, slots=True)
class Sums:
    """What the rollup adds up, for whatever group of its rows. Whole numbers."""

    sessions: int = 0
    graded: int = 0
    passed: int = 0
    not_gradable: int = 0
    closed_won: int = 0
    score_sum: int = 0
    duration_ms: int = 0
    talk_ratio_permille: int = 0
    talk_ratio_sessions: int = 0
    call_cost_microdollars: int = 0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The sums among the columns of a record."""
        return cls(**{name: int(record[name]) for name in cls.__dataclass_fields__})

    @classmethod
    def total(cls, parts: Iterable["Sums"]) -> Self:
        """All of them together."""
        parts = list(parts)
        return cls(
            **{
                name: sum(getattr(part, name) for part in parts)
                for name in cls.__dataclass_fields__
            }
        )

    @property
    def pass_rate(self) -> float | None:
        """0–1, of the graded sessions; None without any."""
        return _quotient(self.passed, self.graded, digits=4)

    @property
    def average_score(self) -> float | None:
        """0–100, of the graded sessions; None without any."""
        return _quotient(self.score_sum, self.graded, digits=2)

    @property
    def average_talk_ratio(self) -> float | None:
        """0–1, of the sessions for which it is known; None without any."""
        return _quotient(self.talk_ratio_permille, self.talk_ratio_sessions * PERMILLE, digits=3)

    @property
    def minutes(self) -> float:
        """Minutes on calls."""
        return round(self.duration_ms / MS_PER_MINUTE, 1)


def percentile(score_counts: Sequence[int], percent: int) -> int | None:
    """The nearest-rank percentile: the least score that `percent` % of the scores do not exceed.

    `score_counts[s]` is how many have the score s. None without any score.
    """
    rank = ceil(sum(score_counts) * percent / 100)
    reached = 0
    for score, count in enumerate(score_counts):
        reached += count
        if count and reached >= rank:
            return score
    return None


def _quotient(part: int, whole: int, digits: int) -> float | None:
    return round(part / whole, digits) if whole else None
