"""The transcript of a call: what the sources say is cleaned into turns, which all later steps read."""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Speaker = Literal["rep", "customer"]

# A pause this long, in which nobody else speaks, starts a new turn: speech recognisers cut one
# breath into fragments much closer together than that.
NEW_TURN_AFTER_SECONDS = 3.0
# Times outside a day are a unit mistaken for seconds (epoch milliseconds, say), not a call.
LONGEST_CALL_SECONDS = 86_400.0

# Scripts without spaces between words: each character stands for one word.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:['’-][^\W_{_UNSPACED}]+)*")
_WHITE_SPACE = re.compile(r"\s+")
# Kept although they are format characters: emoji, Persian and Indic words are spelled with them.
_JOINERS = "\u200c\u200d"
_DROPPED_CATEGORIES = {"Cc", "Cf", "Cs"}


@dataclass(frozen=True, slots=True)
class Utterance:
    """One fragment as a source reported it: uncleaned, in the source's order.

    `start` and `end` are seconds from the start of the call, or None when the source told no times.
    """

    speaker: Speaker
    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One uninterrupted stretch of speech of a cleaned transcript.

    `index` counts from 0. `start` and `end` are seconds from the start of the call, or None when
    the source told no times. In Vapi the human ("user") is the rep; the voice agent plays the
    customer.
    """

    index: int
    speaker: Speaker
    text: str
    start: float | None = None
    end: float | None = None


def clean(raw: Iterable[Utterance | Turn]) -> list[Turn]:
    """Utterances in, turns out; the same input always gives the same turns, and turns give themselves.

    Control characters go, white space collapses, empty fragments are dropped, unusable times
    (negative, not finite, longer than a day, ending before they start) count as not told. Fragments
    are put in the order of their times; one without a time stays behind the one it followed.
    Consecutive fragments of one speaker become one turn unless they are known to lie more than
    NEW_TURN_AFTER_SECONDS apart.
    """
    usable = [tidied for item in raw if (tidied := _tidied(item)).text]
    merged: list[Utterance] = []
    for fragment in _in_order_of_time(usable):
        if merged and _continues(merged[-1], fragment):
            merged[-1] = _joined(merged[-1], fragment)
        else:
            merged.append(fragment)
    return [Turn(i, u.speaker, u.text, u.start, u.end) for i, u in enumerate(merged)]


def tidy(text: str) -> str:
    """Text without control and invisible format characters, white space collapsed, in NFC."""
    visible = _WHITE_SPACE.sub(" ", text)
    if not visible.isascii() or not visible.isprintable():
        visible = "".join(
            c
            for c in visible
            if c in _JOINERS or unicodedata.category(c) not in _DROPPED_CATEGORIES
        )
        visible = unicodedata.normalize("NFC", visible)
    return _WHITE_SPACE.sub(" ", visible).strip()


def count_words(text: str) -> int:
    """Words as a reader counts them: "don't" is one; in scripts without spaces, characters."""
    return len(_WORD.findall(text))


def _tidied(item: Utterance | Turn) -> Utterance:
    start, end = _usable_time(item.start), _usable_time(item.end)
    if start is None or (end is not None and end < start):
        end = None
    return Utterance(item.speaker, tidy(item.text), start, end)


def _usable_time(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_CALL_SECONDS:
        return None
    return round(seconds, 3)


def _in_order_of_time(fragments: list[Utterance]) -> list[Utterance]:
    keys: list[float] = []
    for fragment in fragments:
        previous = keys[-1] if keys else -1.0
        keys.append(previous if fragment.start is None else fragment.start)
    order = sorted(range(len(fragments)), key=keys.__getitem__)
    return [fragments[i] for i in order]


def _continues(before: Utterance, after: Utterance) -> bool:
    if before.speaker != after.speaker:
        return False
    if before.end is None or after.start is None:
        return True
    return after.start - before.end <= NEW_TURN_AFTER_SECONDS


def _joined(before: Utterance, after: Utterance) -> Utterance:
    start = after.start if before.start is None else before.start
    # Without the end of the last fragment the end of the turn is unknown, not that of the first.
    end = None if after.end is None else max(after.end, before.end or 0.0)
    return Utterance(before.speaker, f"{before.text} {after.text}", start, end)
