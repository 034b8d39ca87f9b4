"""The score, criterion by criterion, with what was heard as proof."""

from typing import Any

from reportlab.platypus import KeepTogether

from clozone.exports.scorecard import theme
from clozone.exports.scorecard.card import CardCriterion, CardItem, Quote, Scorecard
from clozone.exports.scorecard.formats import clip, clock, number
from clozone.exports.scorecard.graphics import Graphic, bar
from clozone.exports.scorecard.layout import gap, grid
from clozone.exports.scorecard.theme import Theme, aside, bullet, grade_colour

_LONGEST_NAME = 120
_LONGEST_ITEM = 160
_LONGEST_QUOTE = 220
_LONGEST_NOTE = 300
_MOST_QUOTES = 2

_BAR = 150.0
_POINTS = 58.0
_TIME = 36.0
_NOT_FOUND = "quote not in the transcript: not counted"


def criteria(card: Scorecard, look: Theme) -> list[Any]:
    """The heading and one block per criterion; a block stays on one page."""
    story: list[Any] = []
    for position, criterion in enumerate(card.criteria):
        block = _criterion(criterion, look)
        if position == 0:
            block = [look.text("Score by criterion", "heading"), gap(look.pad - 2), *block]
        story.append(KeepTogether(block))
    return [gap(look.gap), *story] if story else []


def _criterion(criterion: CardCriterion, look: Theme) -> list[Any]:
    block: list[Any] = [_head(criterion, look)]
    if criterion.items:
        block.append(_items(criterion.items, look))
    if criterion.note.strip():
        block.append(look.text(clip(criterion.note, _LONGEST_NOTE), "body"))
    if criterion.unsupported:
        block.append(look.text(f"? {_NOT_FOUND.capitalize()}.", "small"))
    if criterion.quotes:
        block.append(gap(2))
        block.append(_quotes(criterion.quotes, look))
    block.append(gap(look.pad - 1))
    return block


def _head(criterion: CardCriterion, look: Theme) -> Any:
    fraction = criterion.points / criterion.weight if criterion.weight > 0 else 0.0
    name = look.text(
        clip(criterion.name, _LONGEST_NAME),
        "name",
        tail=aside(_result(criterion)),
    )
    if criterion.kind == "compliance":
        colour = theme.LOW if criterion.broken else theme.GOOD
        words = "⚠ Broken" if criterion.broken else "✓ Kept"
        measure: list[Any] = [
            Graphic(_BAR, 12, lambda _: None),
            look.text(words, "points", colour=colour),
        ]
    else:
        measure = [
            bar(fraction, width=_BAR, colour=grade_colour(fraction)),
            look.text(f"{number(criterion.points)} / {criterion.weight}", "points"),
        ]
    return grid(
        [[name, *measure]],
        [theme.CONTENT_WIDTH - _BAR - _POINTS, _BAR, _POINTS],
        pad=2,
        extra=[
            ("LINEABOVE", (0, 0), (-1, 0), 0.6, theme.HAIRLINE),
            ("TOPPADDING", (0, 0), (-1, -1), look.pad - 1),
            ("RIGHTPADDING", (0, 0), (0, 0), 10),
        ],
    )


def _result(criterion: CardCriterion) -> str:
    if criterion.kind == "checklist":
        heard = sum(item.observed and not item.unsupported for item in criterion.items)
        return f"{heard} of {len(criterion.items)}"
    if criterion.kind == "scale":
        return f"level {criterion.level} of 10" if criterion.level is not None else "not rated"
    if criterion.kind == "yes_no":
        return "✓ yes" if criterion.observed and not criterion.unsupported else "○ not yet"
    return "must hold in every call"


def _items(items: tuple[CardItem, ...], look: Theme) -> Any:
    half = theme.CONTENT_WIDTH / 2
    cells: list[Any] = [_item(item, look) for item in items]
    if len(cells) % 2:
        cells.append("")
    rows = [cells[index : index + 2] for index in range(0, len(cells), 2)]
    return grid(rows, [half, half], pad=1, extra=[("RIGHTPADDING", (0, 0), (-1, -1), 10)])


def _item(item: CardItem, look: Theme) -> Any:
    text = clip(item.text, _LONGEST_ITEM)
    if item.unsupported:
        return look.text(
            f"{text} ({_NOT_FOUND})", "item", lead=bullet("?", theme.FAIR), colour=theme.MUTED
        )
    if item.observed:
        return look.text(text, "item", lead=bullet("✓", theme.GOOD))
    return look.text(text, "item", lead=bullet("○", theme.MUTED), colour=theme.MUTED)


def _quotes(quotes: tuple[Quote, ...], look: Theme) -> Any:
    rows = [
        [
            look.text(clock(quote.at) if quote.at is not None else "", "time"),
            look.text(f"“{clip(quote.text, _LONGEST_QUOTE)}”", "quote"),
        ]
        for quote in quotes[:_MOST_QUOTES]
    ]
    left = len(quotes) - _MOST_QUOTES
    if left > 0:
        more = f"and {left} more {'quote' if left == 1 else 'quotes'} in the session"
        rows.append(["", look.text(more, "small")])
    return grid(rows, [_TIME, theme.CONTENT_WIDTH - _TIME], pad=1)
