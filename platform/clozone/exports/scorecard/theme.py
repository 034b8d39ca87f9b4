"""Colours, sizes and paragraph styles of the page."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph

from clozone.exports.scorecard.typeface import BOLD, REGULAR, breaks_anywhere, markup

PAGE_WIDTH: float = A4[0]
PAGE_HEIGHT: float = A4[1]
MARGIN = 42.0
CONTENT_WIDTH = PAGE_WIDTH - 2 * MARGIN

INK = "#1B1F3B"
BODY = "#3A3F58"
MUTED = "#6B7186"
HAIRLINE = "#E3E5EE"
TRACK = "#E6E8F1"
PANEL = "#F5F6FB"
ACCENT = "#4F46E5"
ACCENT_TINT = "#EEF0FE"
CUSTOMER = "#94A0B8"
GOOD = "#0B7F5F"
GOOD_TINT = "#E6F6F0"
FAIR = "#A86200"
FAIR_TINT = "#FDF3E1"
LOW = "#C93A3A"
LOW_TINT = "#FCECEC"


def grade_colour(fraction: float) -> str:
    """The colour of a result that reached `fraction` (0–1) of what was possible."""
    if fraction >= 0.75:
        return GOOD
    return FAIR if fraction >= 0.4 else LOW


def bullet(glyph: str, colour: str) -> str:
    """Markup that hangs `glyph` left of an "item"."""
    return f'<bullet color="{colour}">{glyph}</bullet>'


def aside(text: str) -> str:
    """Markup that adds `text` quietly to a heading or a name."""
    quiet = markup(text, colour=MUTED)
    return f'&nbsp;&nbsp; <font size="8">{quiet}</font>' if quiet else ""


@dataclass(frozen=True, slots=True)
class Theme:
    """Type sizes and gaps; the compact one makes a full call fit on one page."""

    compact: bool

    @property
    def gap(self) -> float:
        """Space between sections, points."""
        return 8.0 if self.compact else 13.0

    @property
    def pad(self) -> float:
        """Padding inside panels and between rows, points."""
        return 5.0 if self.compact else 7.0

    def text(
        self,
        text: str,
        style: str = "body",
        *,
        colour: str | None = None,
        lead: str = "",
        tail: str = "",
    ) -> Any:
        """A paragraph of a stranger's `text`; `lead` and `tail` are our own markup around it."""
        inner = lead + markup(text, _SIZES[style].font, colour) + tail
        return Paragraph(inner, _style(style, self.compact, breaks_anywhere(text)))


class _Type(NamedTuple):
    font: str
    size: float
    leading: float
    colour: str
    hang: float = 0.0
    right: bool = False


_SIZES = {
    "title": _Type(BOLD, 17, 21, INK),
    "lede": _Type(REGULAR, 9.5, 13.5, BODY),
    "verdict": _Type(BOLD, 9.5, 13, INK),
    "heading": _Type(BOLD, 11, 14, INK),
    "name": _Type(BOLD, 9, 12, INK),
    "points": _Type(BOLD, 9, 12, INK, right=True),
    "figure": _Type(BOLD, 14, 17, INK),
    "body": _Type(REGULAR, 8.5, 12, BODY),
    "item": _Type(REGULAR, 8.5, 12, BODY, hang=13),
    "quote": _Type(REGULAR, 8, 11.5, BODY),
    "time": _Type(BOLD, 7.5, 11.5, ACCENT),
    "small": _Type(REGULAR, 7.5, 10, MUTED),
}
_COMPACTION = 0.93


@lru_cache
def _style(name: str, compact: bool, cjk: bool) -> ParagraphStyle:
    kind = _SIZES[name]
    factor = _COMPACTION if compact else 1.0
    return ParagraphStyle(
        name,
        fontName=kind.font,
        fontSize=kind.size * factor,
        leading=kind.leading * factor,
        textColor=kind.colour,
        leftIndent=kind.hang,
        bulletFontName=BOLD,
        bulletFontSize=kind.size * factor,
        alignment=TA_RIGHT if kind.right else TA_LEFT,
        wordWrap="CJK" if cjk else None,
        splitLongWords=1,
    )
