"""The top of the page: whose call, what score, what stopped it, what the manager says."""

from typing import Any

from clozone.exports.scorecard import theme
from clozone.exports.scorecard.card import Scorecard
from clozone.exports.scorecard.formats import clip, clock, day
from clozone.exports.scorecard.graphics import pill, ring
from clozone.exports.scorecard.layout import gap, grid, panel
from clozone.exports.scorecard.theme import Theme, aside

_LONGEST_NAME = 90
_LONGEST_TEXT = 800
_MOST_BLOCKERS = 6
_PANEL_PADDING = 16.0


def opening(card: Scorecard, look: Theme) -> list[Any]:
    """The flowables above the criteria."""
    story: list[Any] = [_hero(card, look)]
    for part in (_blockers(card, look), _review(card, look), _summary(card, look)):
        if part is not None:
            story += [gap(look.gap - 2), part]
    return story


def score_line(card: Scorecard) -> str:
    """The result in words: which score counts, who set it, and what the AI gave."""
    if card.review is not None and card.overridden:
        return (
            f"Score {card.score} of 100, set by {clip(card.review.reviewer, _LONGEST_NAME)}"
            f" · AI score {card.ai_score} · pass mark {card.pass_score}"
        )
    return f"Score {card.score} of 100 · pass mark {card.pass_score}"


def _hero(card: Scorecard, look: Theme) -> Any:
    diameter = 84.0 if look.compact else 96.0
    rings = _rings(card, diameter)
    rings_width = sum(graphic.width for graphic in rings) + 12 * len(rings)
    text_width = theme.CONTENT_WIDTH - rings_width - 2 * _PANEL_PADDING
    facts = [clip(card.rep_name, _LONGEST_NAME), day(card.called_at)]
    if card.duration_seconds is not None:
        facts.append(f"{clock(card.duration_seconds)} call")
    text = [
        look.text(f"{clip(card.organisation, _LONGEST_NAME)} · practice call scorecard", "small"),
        look.text(clip(card.scenario, _LONGEST_NAME), "title"),
        gap(3),
        look.text(" · ".join(facts), "lede"),
        gap(look.pad + 1),
        _verdict(card),
        gap(3),
        look.text(score_line(card), "verdict"),
    ]
    return grid(
        [[text, *rings]],
        [
            text_width + _PANEL_PADDING,
            *(graphic.width + 12 for graphic in rings[:-1]),
            rings[-1].width + 12 + _PANEL_PADDING,
        ],
        extra=[
            ("BACKGROUND", (0, 0), (-1, -1), theme.PANEL),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("LEFTPADDING", (0, 0), (0, 0), _PANEL_PADDING),
            ("LEFTPADDING", (1, 0), (-1, -1), 12),
            ("TOPPADDING", (0, 0), (-1, -1), 2 * look.pad),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2 * look.pad),
            ("ROUNDEDCORNERS", [10, 10, 10, 10]),
        ],
    )


def _rings(card: Scorecard, diameter: float) -> list[Any]:
    final = ring(
        card.score,
        diameter=diameter,
        colour=_verdict_colour(card),
        pass_score=card.pass_score,
        caption="final score" if card.overridden else "of 100",
    )
    if not card.overridden:
        return [final]
    given = ring(
        card.ai_score,
        diameter=diameter * 0.58,
        colour=theme.CUSTOMER,
        pass_score=card.pass_score,
        caption="AI score",
    )
    return [given, final]


def _verdict_colour(card: Scorecard) -> str:
    if card.passed:
        return theme.GOOD
    return theme.LOW if card.blockers else theme.FAIR


def _verdict(card: Scorecard) -> Any:
    if card.passed:
        return pill("✓ Passed", colour=theme.GOOD, tint=theme.GOOD_TINT)
    if card.blockers:
        return pill("⚠ Not passed: blocker", colour=theme.LOW, tint=theme.LOW_TINT)
    return pill("○ Not passed yet", colour=theme.FAIR, tint=theme.FAIR_TINT)


def _blockers(card: Scorecard, look: Theme) -> Any | None:
    if not card.blockers:
        return None
    lines = [
        look.text(clip(blocker, _LONGEST_TEXT // _MOST_BLOCKERS), "body")
        for blocker in card.blockers[:_MOST_BLOCKERS]
    ]
    consequence = (
        "A blocker fails the call whatever the score."
        if not card.passed
        else "The review lets the call pass all the same."
    )
    return panel(
        [
            look.text("⚠ Blocker" if len(lines) == 1 else "⚠ Blockers", "name", colour=theme.LOW),
            *lines,
            look.text(consequence, "small"),
        ],
        tint=theme.LOW_TINT,
        look=look,
    )


def _review(card: Scorecard, look: Theme) -> Any | None:
    if card.review is None:
        return None
    heading = f"Review by {clip(card.review.reviewer, _LONGEST_NAME)}"
    change = f"final score {card.score}, AI score {card.ai_score}" if card.overridden else ""
    content = [look.text(heading, "name", tail=aside(change))]
    if card.review.comment.strip():
        content.append(look.text(clip(card.review.comment, _LONGEST_TEXT), "body"))
    return panel(content, tint=theme.ACCENT_TINT, look=look)


def _summary(card: Scorecard, look: Theme) -> Any | None:
    if not card.summary.strip():
        return None
    return look.text(clip(card.summary, _LONGEST_TEXT), "lede")
