"""The PDF scorecard: `render_scorecard(card)` and the plain data it prints."""

from clozone.exports.scorecard.card import (
    BetterLine,
    CardCriterion,
    CardItem,
    CardMetrics,
    CardReview,
    Quote,
    Scorecard,
    TalkSegment,
)
from clozone.exports.scorecard.document import render_scorecard

__all__ = [
    "BetterLine",
    "CardCriterion",
    "CardItem",
    "CardMetrics",
    "CardReview",
    "Quote",
    "Scorecard",
    "TalkSegment",
    "render_scorecard",
]
