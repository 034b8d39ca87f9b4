"""Fonts, and text from strangers made safe to print.

Inter sets Latin, Greek and Cyrillic; WenQuanYi Micro Hei steps in for Chinese, Japanese and Korean,
run by run. What neither covers prints as one □ per unbroken run, so the reader sees that something
stood there. See fonts/README.md for what that leaves out.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR = "Inter-Regular"
BOLD = "Inter-SemiBold"
_FALLBACK = "WenQuanYiMicroHei"
MISSING = "□"

_FOLDER = Path(__file__).parent.parent / "fonts"
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f]")
_REPLACEMENTS = {"Cc": " ", "Cf": "", "Cs": "\N{REPLACEMENT CHARACTER}"}
_BREAKS_ANYWHERE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


@lru_cache
def _font(name: str) -> Any:
    """The registered font; loaded on first use, since the large one is seldom needed."""
    font = TTFont(name, _FOLDER / f"{name}.ttf")
    pdfmetrics.registerFont(font)
    return font


def load_fonts() -> None:
    """Register the fonts every page needs."""
    _font(REGULAR)
    _font(BOLD)


def _covers(name: str, character: str) -> bool:
    return ord(character) in _font(name).face.charToGlyph


def clean(text: str) -> str:
    """`text` composed (NFC), on one line, without control and invisible formatting characters.

    Halves of surrogate pairs, which no encoder takes, become U+FFFD.
    """
    composed = unicodedata.normalize("NFC", _VARIATION_SELECTORS.sub("", text))
    return " ".join("".join(map(_printable, composed)).split())


def _printable(character: str) -> str:
    return _REPLACEMENTS.get(unicodedata.category(character), character)


def _font_of(character: str, preferred: str) -> str:
    """The font that draws `character`, or nothing."""
    if character == " " or _covers(preferred, character):
        return preferred
    return _FALLBACK if _covers(_FALLBACK, character) else ""


def runs(text: str, font: str) -> list[tuple[str, str]]:
    """`text` cut into (font name, piece) pairs that the fonts can really draw."""
    pieces = []
    for name, characters in groupby(clean(text), key=lambda character: _font_of(character, font)):
        pieces.append((name, "".join(characters)) if name else (font, MISSING))
    return pieces


def has_missing(text: str) -> bool:
    """Whether `runs` puts a □ somewhere in `text`."""
    return any(not _font_of(character, REGULAR) for character in clean(text))


def markup(text: str, font: str = REGULAR, colour: str | None = None) -> str:
    """`text` as reportlab paragraph markup: escaped, each run in a font that has its glyphs."""
    inner = "".join(
        f'<font name="{name}">{escape(piece)}</font>' for name, piece in runs(text, font)
    )
    return f'<font color="{colour}">{inner}</font>' if inner and colour else inner


def breaks_anywhere(text: str) -> bool:
    """Whether lines may break between any two characters, as in Chinese and Japanese."""
    return _BREAKS_ANYWHERE.search(text) is not None


def text_width(text: str, font: str, size: float) -> float:
    """Width in points of `text` as `draw_text` sets it."""
    return float(sum(pdfmetrics.stringWidth(piece, name, size) for name, piece in runs(text, font)))


def draw_text(
    canvas: Any, x: float, y: float, text: str, *, size: float, font: str = REGULAR, align: str = ""
) -> None:
    """Set one line in the fill colour; `x` is its left end, or its "centre" or "right" end."""
    if align:
        width = text_width(text, font, size)
        x -= width if align == "right" else width / 2
    line = canvas.beginText(x, y)
    for name, piece in runs(text, font):
        line.setFont(name, size)
        line.textOut(piece)
    canvas.drawText(line)
