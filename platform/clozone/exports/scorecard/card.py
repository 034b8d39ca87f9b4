"""What a scorecard says. Plain data: no database, no reportlab."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from clozone.sessions.transcript import Speaker

CriterionKind = Literal["checklist", "scale", "yes_no", "compliance"]

OFFLINE_MODEL_PREFIX = "clozone-offline"


@dataclass(frozen=True, slots=True)
class Quote:
    """Words said in the call; `at` is the start of their turn in seconds, if the call has times."""

    text: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class CardItem:
    """One line of a checklist. `unsupported`: claimed, but its quote is not in the transcript."""

    text: str
    observed: bool
    unsupported: bool = False


@dataclass(frozen=True, slots=True)
class CardCriterion:
    """One criterion with its result.

    `points` are out of `weight`. `observed` is the answer of a yes_no; `broken` says that a
    compliance rule was broken; `level` is the 1–10 of a scale; `items` belong to a checklist.
    `unsupported`: the finding's quotes are not in the transcript, so it did not count.
    """

    name: str
    kind: CriterionKind
    weight: int
    points: float
    level: int | None = None
    observed: bool = False
    broken: bool = False
    unsupported: bool = False
    items: tuple[CardItem, ...] = ()
    quotes: tuple[Quote, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class CardMetrics:
    """How the rep talked; None where the call's data did not allow a measure.

    `talk_ratio` is the rep's share of the talking, 0–1.
    """

    talk_ratio: float | None = None
    longest_monologue_seconds: float | None = None
    questions: int | None = None
    question_rate_per_minute: float | None = None
    filler_words: int | None = None
    filler_rate_per_minute: float | None = None
    turn_switches_per_minute: float | None = None
    interruptions: int | None = None


class TalkSegment(NamedTuple):
    """A stretch of speech, in seconds from the start of the call."""

    start: float
    end: float
    speaker: Speaker


@dataclass(frozen=True, slots=True)
class BetterLine:
    """What was said, and what would have worked better."""

    said: str
    better: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class CardReview:
    """A manager's word on the call; `override_score` replaces the AI score when given."""

    reviewer: str
    comment: str = ""
    override_score: int | None = None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Everything on the page. Times are aware; `passed` is the verdict that holds after review."""

    session_id: str
    organisation: str
    rep_name: str
    scenario: str
    called_at: datetime
    duration_seconds: float | None
    ai_score: int
    passed: bool
    pass_score: int
    model: str
    prompt_version: str
    graded_at: datetime
    summary: str = ""
    blockers: tuple[str, ...] = ()
    criteria: tuple[CardCriterion, ...] = ()
    metrics: CardMetrics = field(default_factory=CardMetrics)
    talk_strip: tuple[TalkSegment, ...] = ()
    strengths: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    better_lines: tuple[BetterLine, ...] = ()
    review: CardReview | None = None

    @property
    def overridden(self) -> bool:
        """Whether a manager's score replaces the AI score."""
        return self.review is not None and self.review.override_score is not None

    @property
    def score(self) -> int:
        """The score that counts: the manager's where there is one, else the AI's."""
        if self.review is not None and self.review.override_score is not None:
            return self.review.override_score
        return self.ai_score

    @property
    def graded_offline(self) -> bool:
        """Whether fixed rules, not a language model, read the call."""
        return self.model.startswith(OFFLINE_MODEL_PREFIX)
