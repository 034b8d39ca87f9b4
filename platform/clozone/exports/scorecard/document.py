"""A scorecard as a PDF."""

from io import BytesIO
from threading import Lock
from typing import Any

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

from clozone.exports.scorecard import theme
from clozone.exports.scorecard.card import Scorecard
from clozone.exports.scorecard.coaching import lines_to_try, strengths_and_next_steps, talk
from clozone.exports.scorecard.criteria import criteria
from clozone.exports.scorecard.margins import draw_margins
from clozone.exports.scorecard.opening import opening
from clozone.exports.scorecard.theme import Theme
from clozone.exports.scorecard.typeface import REGULAR, clean, load_fonts

_TOP = 34.0
_BOTTOM = 46.0

# reportlab's fonts are shared by all documents and keep state while one is written.
_one_at_a_time = Lock()


def render_scorecard(card: Scorecard) -> bytes:
    """The card as an A4 PDF: the same card gives the same bytes.

    Takes the airy layout, and the compact one where that saves the second page. Any text is safe:
    what cannot be printed shows as □. Takes tens of milliseconds, one card at a time per process.
    """
    with _one_at_a_time:
        load_fonts()
        pdf, pages = _write(card, Theme(compact=False))
        if pages == 2:
            tighter, fewer = _write(card, Theme(compact=True))
            if fewer < pages:
                return tighter
        return pdf


def _write(card: Scorecard, look: Theme) -> tuple[bytes, int]:
    target = BytesIO()
    frame = Frame(
        theme.MARGIN,
        _BOTTOM,
        theme.CONTENT_WIDTH,
        theme.PAGE_HEIGHT - _TOP - _BOTTOM,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )
    document = BaseDocTemplate(
        target,
        pagesize=(theme.PAGE_WIDTH, theme.PAGE_HEIGHT),
        pageTemplates=[PageTemplate(frames=[frame])],
        title=clean(f"{card.rep_name}: {card.scenario}, score {card.score}"),
        author=clean(card.organisation),
        subject="Practice call scorecard",
        creator="Clozone",
        lang="en",
        initialFontName=REGULAR,
        invariant=1,
    )
    story = [
        *opening(card, look),
        *strengths_and_next_steps(card, look),
        *criteria(card, look),
        *talk(card, look),
        *lines_to_try(card, look),
    ]

    def canvas(*args: Any, **kwargs: Any) -> Canvas:
        return _NumberedCanvas(*args, card=card, **kwargs)

    document.build(story, canvasmaker=canvas)
    return target.getvalue(), document.page


class _NumberedCanvas(Canvas):  # type: ignore[misc]  # reportlab carries no types
    """Holds the pages back until their number is known, then writes each with its margins."""

    def __init__(self, *args: Any, card: Scorecard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._card = card
        self._held: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802  # reportlab's name
        """Hold the page back."""
        self._held.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write every page, then the file."""
        for number, page in enumerate(self._held, start=1):
            self.__dict__.update(page)
            draw_margins(self, self._card, number=number, count=len(self._held))
            super().showPage()
        super().save()
