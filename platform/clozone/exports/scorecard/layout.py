"""Tables as the page uses them: panels, columns and rows without lines of their own."""

from collections.abc import Sequence
from typing import Any

from reportlab.platypus import Spacer, Table

from clozone.exports.scorecard import theme
from clozone.exports.scorecard.theme import Theme
from clozone.exports.scorecard.typeface import REGULAR


def grid(
    rows: Sequence[Sequence[Any]],
    widths: Sequence[float],
    *,
    pad: float = 0,
    extra: Sequence[tuple[Any, ...]] = (),
) -> Table:
    """Rows of cells, aligned to the top, with `pad` points below each row."""
    return Table(
        [list(row) for row in rows],
        colWidths=list(widths),
        hAlign="LEFT",
        style=[
            ("FONTNAME", (0, 0), (-1, -1), REGULAR),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), pad),
            *extra,
        ],
    )


def panel(
    content: Sequence[Any], *, tint: str, look: Theme, width: float = theme.CONTENT_WIDTH
) -> Table:
    """Flowables one below the other on a tinted, rounded ground. It never splits: keep it short."""
    return grid(
        [[list(content)]],
        [width],
        extra=[
            ("BACKGROUND", (0, 0), (-1, -1), tint),
            ("LEFTPADDING", (0, 0), (-1, -1), 12),
            ("RIGHTPADDING", (0, 0), (-1, -1), 12),
            ("TOPPADDING", (0, 0), (-1, -1), look.pad + 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), look.pad + 3),
            ("ROUNDEDCORNERS", [6, 6, 6, 6]),
        ],
    )


def twin_panels(
    left: Sequence[Any], right: Sequence[Any], *, tints: tuple[str, str], look: Theme
) -> Table:
    """Two panels side by side, as tall as the taller one."""
    gutter = 10.0
    width = (theme.CONTENT_WIDTH - gutter) / 2
    sides = [list(left), list(right)]
    heights = [
        panel(side, tint=tint, look=look, width=width).wrap(width, theme.PAGE_HEIGHT)[1]
        for side, tint in zip(sides, tints, strict=True)
    ]
    for side, height in zip(sides, heights, strict=True):
        side.append(gap(max(heights) - height))
    first, second = (
        panel(side, tint=tint, look=look, width=width)
        for side, tint in zip(sides, tints, strict=True)
    )
    return grid([[first, "", second]], [width, gutter, width])


def gap(points: float) -> Spacer:
    """Empty height."""
    return Spacer(1, points)
