"""Does a quote occur in what the rep said? Exact but for case, spacing and punctuation."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from clozone.sessions.transcript import Turn

UnsupportedReason = Literal["not_in_transcript", "said_by_customer"]

_APOSTROPHES = frozenset("'’‘ʼ′`´＇")
# First and last code points of scripts that are written without spaces between words, where a
# quote may rightly begin or end in the middle of a run of letters.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility forms
    (0x20000, 0x3FFFF),  # Han, supplementary planes
)


def normalise(text: str) -> str:
    """Letters and digits in NFKC, case-folded, with single spaces for everything else.

    Apostrophes and invisible format characters vanish, so that “don’t”, "don't" and "dont" agree.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = []
    for character in folded:
        category = unicodedata.category(character)
        if category[0] in "LMN":
            kept.append(character)
        elif character not in _APOSTROPHES and category != "Cf":
            kept.append(" ")
    return " ".join("".join(kept).split())


def occurs(quote: str, text: str) -> bool:
    """Whether `quote` stands in `text` as whole words, both being normalised first.

    A quote without a letter or a digit occurs nowhere.
    """
    return _occurs_normalised(normalise(quote), normalise(text))


@dataclass(frozen=True, slots=True)
class FoundQuote:
    """Where a quote was found: the turn it is really in."""

    turn: Turn
    text: str


class Transcript:
    """The turns of one call, normalised once so that many quotes can be looked up."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._rep = _normalised(turn for turn in turns if turn.speaker == "rep")
        self._customer = _normalised(turn for turn in turns if turn.speaker == "customer")

    def find(self, quote: str, near: int) -> FoundQuote | UnsupportedReason:
        """The rep's turn that holds `quote`, or why there is none.

        Models count turns badly, so every turn of the rep is searched; of several that hold the
        quote the one nearest to the turn numbered `near` is taken (of two as near, the earlier).
        """
        sought = normalise(quote)
        holding = [turn for turn, text in self._rep if _occurs_normalised(sought, text)]
        if holding:
            nearest = min(holding, key=lambda turn: (abs(turn.index - near), turn.index))
            return FoundQuote(nearest, quote)
        if any(_occurs_normalised(sought, text) for _, text in self._customer):
            return "said_by_customer"
        return "not_in_transcript"


def _normalised(turns: Iterable[Turn]) -> list[tuple[Turn, str]]:
    return [(turn, normalise(turn.text)) for turn in turns]


def _occurs_normalised(quote: str, text: str) -> bool:
    if not quote:
        return False
    start = text.find(quote)
    while start != -1:
        end = start + len(quote)
        if _is_boundary(text, start) and _is_boundary(text, end):
            return True
        start = text.find(quote, start + 1)
    return False


def _is_boundary(text: str, at: int) -> bool:
    """Whether a word may begin or end between the characters at - 1 and at."""
    if at in (0, len(text)):
        return True
    before, after = text[at - 1], text[at]
    if unicodedata.category(after)[0] == "M":
        return False
    return " " in (before, after) or _is_unspaced(before) or _is_unspaced(after)


def _is_unspaced(character: str) -> bool:
    point = ord(character)
    return any(first <= point <= last for first, last in _UNSPACED)
