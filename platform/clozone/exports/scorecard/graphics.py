"""The drawn parts: score ring, verdict pill, bars and the strip of who talked when."""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

from reportlab.platypus import Flowable

from clozone.exports.scorecard import theme
from clozone.exports.scorecard.card import TalkSegment
from clozone.exports.scorecard.formats import clock
from clozone.exports.scorecard.typeface import BOLD, REGULAR, draw_text, text_width

_LABEL_WIDTH = 52.0
_LANE = 11.0
_LANE_GAP = 4.0
_AXIS = 14.0
_MOMENTS = 9.0
_TICK_STEPS = (15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS = 10


class Graphic(Flowable):  # type: ignore[misc]  # reportlab carries no types
    """A drawing of a fixed size; `paint` gets the canvas with the origin at its lower left."""

    def __init__(self, width: float, height: float, paint: Callable[[Any], None]) -> None:
        super().__init__()
        self.width = width
        self.height = height
        self._paint = paint

    def draw(self) -> None:
        """Called by reportlab once the place on the page is known."""
        self._paint(self.canv)


def ring(score: int, *, diameter: float, colour: str, pass_score: int, caption: str) -> Graphic:
    """A gauge that fills clockwise from the top, with a tick where passing begins."""
    stroke = diameter * 0.1
    radius = diameter / 2 - stroke / 2 - 1
    figure = diameter * 0.33
    caption_height = 12.0

    def paint(canvas: Any) -> None:
        canvas.setFillColor(theme.MUTED)
        draw_text(canvas, diameter / 2, 1, caption, size=7.5, align="centre")
        canvas.translate(diameter / 2, caption_height + diameter / 2)
        canvas.setFillColor(theme.INK)
        draw_text(canvas, 0, -0.36 * figure, str(score), font=BOLD, size=figure, align="centre")
        canvas.setLineWidth(stroke)
        canvas.setStrokeColor(theme.TRACK)
        canvas.circle(0, 0, radius)
        share = min(max(score, 0), 100) / 100
        canvas.setStrokeColor(colour)
        if share >= 1:
            canvas.circle(0, 0, radius)
        elif share > 0:
            canvas.setLineCap(1)
            canvas.arc(-radius, -radius, radius, radius, startAng=90, extent=-360 * share)
            canvas.setLineCap(0)
        canvas.rotate(-3.6 * min(max(pass_score, 0), 100))
        canvas.setLineWidth(1.2)
        canvas.setStrokeColor(theme.INK)
        canvas.line(0, radius - stroke / 2 - 1, 0, diameter / 2)

    return Graphic(diameter, diameter + caption_height, paint)


def pill(text: str, *, colour: str, tint: str) -> Graphic:
    """A rounded label."""
    size = 9.5
    width = text_width(text, BOLD, size) + 18

    def paint(canvas: Any) -> None:
        canvas.setFillColor(tint)
        canvas.roundRect(0, 0, width, 18, 9, stroke=0, fill=1)
        canvas.setFillColor(colour)
        draw_text(canvas, 9, 5.6, text, font=BOLD, size=size)

    return Graphic(width, 18, paint)


def bar(fraction: float, *, width: float, colour: str) -> Graphic:
    """A horizontal bar filled to `fraction` (0–1)."""
    thickness = 6.0
    share = min(max(fraction, 0.0), 1.0)

    def paint(canvas: Any) -> None:
        canvas.setFillColor(theme.TRACK)
        canvas.roundRect(0, 3, width, thickness, thickness / 2, stroke=0, fill=1)
        if share > 0:
            canvas.setFillColor(colour)
            filled = max(thickness, width * share)
            canvas.roundRect(0, 3, filled, thickness, thickness / 2, stroke=0, fill=1)

    return Graphic(width, 12, paint)


def talk_strip(
    segments: Iterable[TalkSegment], *, duration: float | None, moments: Iterable[float]
) -> Graphic | None:
    """Two lanes over the length of the call; diamonds mark quoted moments. None without times."""
    usable = [
        TalkSegment(max(0.0, start), end, speaker)
        for start, end, speaker in segments
        if isfinite(start) and isfinite(end) and end > max(0.0, start)
    ]
    if not usable:
        return None
    length = max(*(segment.end for segment in usable), duration or 0.0)
    plot = theme.CONTENT_WIDTH - _LABEL_WIDTH
    lanes = {"rep": _AXIS + _LANE + _LANE_GAP, "customer": _AXIS}
    top = lanes["rep"] + _LANE

    def x_of(seconds: float) -> float:
        return _LABEL_WIDTH + plot * (min(max(seconds, 0.0), length) / length)

    def paint(canvas: Any) -> None:
        for speaker, lane in lanes.items():
            canvas.setFillColor(theme.PANEL)
            canvas.rect(_LABEL_WIDTH, lane, plot, _LANE, stroke=0, fill=1)
            canvas.setFillColor(theme.INK)
            draw_text(canvas, 0, lane + 3, speaker.capitalize(), font=BOLD, size=7.5)
        for segment in usable:
            canvas.setFillColor(theme.ACCENT if segment.speaker == "rep" else theme.CUSTOMER)
            left = x_of(segment.start)
            width = max(0.6, x_of(segment.end) - left)
            canvas.rect(left, lanes[segment.speaker], width, _LANE, stroke=0, fill=1)
        canvas.setFillColor(theme.INK)
        for moment in moments:
            _diamond(canvas, x_of(moment), top + 5)
        canvas.setFillColor(theme.MUTED)
        for second in _ticks(length):
            label = clock(second)
            middle = text_width(label, REGULAR, 7) / 2
            x = min(max(x_of(second) - middle, _LABEL_WIDTH), _LABEL_WIDTH + plot - 2 * middle)
            draw_text(canvas, x, 3, label, size=7)

    return Graphic(theme.CONTENT_WIDTH, top + _MOMENTS, paint)


def _ticks(length: float) -> list[int]:
    fitting = (step for step in _TICK_STEPS if length / step <= _MOST_TICKS)
    step = next(fitting, int(length / _MOST_TICKS) + 1)
    return list(range(0, int(length) + 1, step))


def _diamond(canvas: Any, x: float, y: float, half: float = 2.2) -> None:
    path = canvas.beginPath()
    path.moveTo(x, y + half)
    path.lineTo(x + half, y)
    path.lineTo(x, y - half)
    path.lineTo(x - half, y)
    path.close()
    canvas.drawPath(path, stroke=0, fill=1)
