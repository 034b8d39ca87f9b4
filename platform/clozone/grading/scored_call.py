"""A graded call: the score, and for every point of it the words that earned it."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from clozone.grading.quotes import UnsupportedReason

Kind = Literal["checklist", "scale", "yes_no", "compliance"]
Rule = Literal["must_say", "must_not_say"]


@dataclass(frozen=True, slots=True)
class SupportedQuote:
    """Words that the rep did say, in the turn where they really are. `start` is in seconds."""

    turn: int
    text: str
    start: float | None


@dataclass(frozen=True, slots=True)
class UnsupportedQuote:
    """Words that the model put into the rep's mouth, with the turn it named."""

    turn: int
    text: str
    reason: UnsupportedReason


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """One thing looked for. `claimed` is what the model says, `observed` what its quotes prove."""

    key: str
    text: str
    observed: bool
    claimed: bool
    note: str
    quotes: tuple[SupportedQuote, ...]
    unsupported_quotes: tuple[UnsupportedQuote, ...]

    @property
    def unsupported(self) -> bool:
        """Claimed, but no quote of it holds."""
        return self.claimed and not self.observed


@dataclass(frozen=True, slots=True)
class ScoredCriterion:
    """What a criterion earned: `points` = `share` (0 to 1) of `weight`.

    `level` and `claimed_level` are for scales. A compliance criterion has weight 0 and the share 1
    when it was kept, 0 when it was violated.
    """

    key: str
    name: str
    kind: Kind
    weight: int
    share: Fraction
    points: Fraction
    level: int | None
    claimed_level: int | None
    items: tuple[ScoredItem, ...]

    @property
    def unsupported(self) -> bool:
        """Something claimed in it holds no quote."""
        return any(item.unsupported for item in self.items)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A compliance criterion that was violated; `quotes` show where something was said."""

    key: str
    name: str
    rule: Rule
    quotes: tuple[SupportedQuote, ...]


@dataclass(frozen=True, slots=True)
class ScoredCall:
    """The outcome. `score` is 0 to 100."""

    score: int
    passed: bool
    pass_score: int
    criteria: tuple[ScoredCriterion, ...]
    blockers: tuple[Blocker, ...]

    @property
    def unsupported(self) -> tuple[ScoredItem, ...]:
        """Every item whose claim holds no quote; worth asking the model again, once."""
        return tuple(
            item for criterion in self.criteria for item in criterion.items if item.unsupported
        )

    def criteria_json(self) -> list[dict[str, Any]]:
        """The criteria as plain JSON, for storing with the grade; points with two decimals."""
        return [_criterion_json(criterion) for criterion in self.criteria]

    def blockers_json(self) -> list[dict[str, Any]]:
        """The blockers as plain JSON."""
        return [
            {
                "key": blocker.key,
                "name": blocker.name,
                "rule": blocker.rule,
                "quotes": [_quote_json(quote) for quote in blocker.quotes],
            }
            for blocker in self.blockers
        ]


def _criterion_json(criterion: ScoredCriterion) -> dict[str, Any]:
    return {
        "key": criterion.key,
        "name": criterion.name,
        "kind": criterion.kind,
        "weight": criterion.weight,
        "points": round(float(criterion.points), 2),
        "level": criterion.level,
        "claimed_level": criterion.claimed_level,
        "unsupported": criterion.unsupported,
        "items": [
            {
                "key": item.key,
                "text": item.text,
                "observed": item.observed,
                "unsupported": item.unsupported,
                "note": item.note,
                "quotes": [_quote_json(quote) for quote in item.quotes],
                "unsupported_quotes": [
                    {"turn": quote.turn, "text": quote.text, "reason": quote.reason}
                    for quote in item.unsupported_quotes
                ],
            }
            for item in criterion.items
        ],
    }


def _quote_json(quote: SupportedQuote) -> dict[str, Any]:
    return {"turn": quote.turn, "text": quote.text, "start": quote.start}
