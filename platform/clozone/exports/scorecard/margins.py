"""What stands in the margins: where the page comes from, and whose it is when it comes loose."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from clozone.exports.scorecard import theme
from clozone.exports.scorecard.card import Scorecard
from clozone.exports.scorecard.formats import clip, day_and_time
from clozone.exports.scorecard.typeface import BOLD, MISSING, draw_text, has_missing

_LONGEST_NAME = 60
_SIZE = 6.5
_LINE = 9.0
_FOOT = 28.0

_OFFLINE_NOTICE = "Scores come from fixed rules, not from a language model."
_MISSING_NOTICE = f"{MISSING} stands for writing this page cannot print; the session shows it."


def draw_margins(canvas: Any, card: Scorecard, *, number: int, count: int) -> None:
    """Footer of every page; from the second on, a running head too."""
    right = theme.MARGIN + theme.CONTENT_WIDTH
    canvas.setStrokeColor(theme.HAIRLINE)
    canvas.setLineWidth(0.6)
    canvas.line(theme.MARGIN, _FOOT + 10, right, _FOOT + 10)
    canvas.setFillColor(theme.MUTED)
    origin = (
        f"Graded {day_and_time(card.graded_at)} by {clip(card.model, _LONGEST_NAME)}"
        f" · prompt {clip(card.prompt_version, _LONGEST_NAME)} · session {card.session_id}"
    )
    draw_text(canvas, theme.MARGIN, _FOOT, origin, size=_SIZE)
    draw_text(canvas, right, _FOOT, f"Page {number} of {count}", size=_SIZE, align="right")
    for line, notice in enumerate(_notices(card), start=1):
        draw_text(canvas, theme.MARGIN, _FOOT - line * _LINE, notice, font=BOLD, size=_SIZE)
    if number > 1:
        head = (
            f"{clip(card.rep_name, _LONGEST_NAME)} · {clip(card.scenario, _LONGEST_NAME)}"
            f" · score {card.score}"
        )
        draw_text(canvas, theme.MARGIN, theme.PAGE_HEIGHT - 24, head, size=_SIZE)


def _notices(card: Scorecard) -> Iterator[str]:
    if card.graded_offline:
        yield _OFFLINE_NOTICE
    if any(has_missing(text) for text in _texts(card)):
        yield _MISSING_NOTICE


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for member in fields(value):
            yield from _texts(getattr(value, member.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part)
