"""What went well, what to try next, and how the rep talked."""

from collections.abc import Sequence
from typing import Any

from reportlab.platypus import KeepTogether

from clozone.exports.scorecard import theme
from clozone.exports.scorecard.card import CardMetrics, Scorecard
from clozone.exports.scorecard.formats import clip, clock, number, percent
from clozone.exports.scorecard.graphics import talk_strip
from clozone.exports.scorecard.layout import gap, grid, twin_panels
from clozone.exports.scorecard.theme import Theme, aside, bullet

_MOST_POINTS = 5
_LONGEST_POINT = 220
_MOST_LINES = 5
_LONGEST_LINE = 260
_GUTTER = 12.0
_TIME = 36.0


def strengths_and_next_steps(card: Scorecard, look: Theme) -> list[Any]:
    """Two tinted columns side by side; a side without points says so."""
    if not card.strengths and not card.next_steps:
        return []
    strengths = card.strengths[:_MOST_POINTS] or ("No strength was named for this call.",)
    next_steps = card.next_steps[:_MOST_POINTS] or ("Nothing in particular: keep going.",)
    return [
        gap(look.gap),
        twin_panels(
            _points("✓ What went well", theme.GOOD, strengths, look),
            _points("→ Next steps", theme.ACCENT, next_steps, look),
            tints=(theme.GOOD_TINT, theme.ACCENT_TINT),
            look=look,
        ),
    ]


def _points(heading: str, colour: str, points: Sequence[str], look: Theme) -> list[Any]:
    content: list[Any] = [look.text(heading, "name", colour=colour)]
    for point in points:
        content += [
            gap(2),
            look.text(clip(point, _LONGEST_POINT), "item", lead=bullet("•", colour)),
        ]
    return content


def talk(card: Scorecard, look: Theme) -> list[Any]:
    """Figures and the strip of who talked when; a sentence when the call carried no times."""
    tiles = _tiles(card.metrics)
    moments = [
        quote.at
        for criterion in card.criteria
        for quote in criterion.quotes
        if quote.at is not None
    ]
    strip = talk_strip(card.talk_strip, duration=card.duration_seconds, moments=moments)
    legend = aside("◆ a quoted moment") if strip is not None and moments else ""
    block: list[Any] = [
        gap(look.gap - 3),
        look.text("How the call went", "heading", tail=legend),
        gap(look.pad - 2),
    ]
    if tiles:
        block.append(_tile_row(tiles, look))
    if strip is not None:
        block.append(strip)
    if not tiles and strip is None:
        block.append(
            look.text("This call came without times, so there is nothing to measure.", "body")
        )
    return [KeepTogether(block)]


def _tiles(metrics: CardMetrics) -> list[tuple[str, str]]:
    tiles: list[tuple[str, str]] = []
    if metrics.talk_ratio is not None:
        tiles.append((percent(metrics.talk_ratio), "rep talk share"))
    if metrics.longest_monologue_seconds is not None:
        tiles.append((clock(metrics.longest_monologue_seconds), "longest monologue"))
    if metrics.questions is not None:
        rate = metrics.question_rate_per_minute
        tiles.append((str(metrics.questions), "questions" + _per_minute(rate)))
    if metrics.filler_words is not None:
        rate = metrics.filler_rate_per_minute
        tiles.append((str(metrics.filler_words), "fillers" + _per_minute(rate)))
    if metrics.turn_switches_per_minute is not None:
        tiles.append((number(metrics.turn_switches_per_minute), "speaker changes/min"))
    if metrics.interruptions is not None:
        tiles.append((str(metrics.interruptions), "rep interruptions"))
    return tiles


def _per_minute(rate: float | None) -> str:
    return f" · {number(rate)}/min" if rate is not None else ""


def _tile_row(tiles: list[tuple[str, str]], look: Theme) -> Any:
    cells = [[look.text(figure, "figure"), look.text(label, "small")] for figure, label in tiles]
    width = theme.CONTENT_WIDTH / len(tiles)
    return grid(
        [cells], [width] * len(tiles), pad=look.pad, extra=[("RIGHTPADDING", (0, 0), (-1, -1), 8)]
    )


def lines_to_try(card: Scorecard, look: Theme) -> list[Any]:
    """What was said beside a better way to say it."""
    if not card.better_lines:
        return []
    column = (theme.CONTENT_WIDTH - _TIME - _GUTTER) / 2
    rows: list[list[Any]] = [
        ["", look.text("You said", "small"), "", look.text("Try", "small", colour=theme.ACCENT)]
    ]
    for line in card.better_lines[:_MOST_LINES]:
        rows.append(
            [
                look.text(clock(line.at) if line.at is not None else "", "time"),
                look.text(f"“{clip(line.said, _LONGEST_LINE)}”", "quote", colour=theme.MUTED),
                "",
                look.text(f"“{clip(line.better, _LONGEST_LINE)}”", "quote", colour=theme.INK),
            ]
        )
    table = grid(rows, [_TIME, column, _GUTTER, column], pad=look.pad - 3)
    return [KeepTogether([gap(look.gap), look.text("Lines to try", "heading"), gap(3), table])]
