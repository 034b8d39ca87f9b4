"""Sentences as lists of words that can be compared."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from clozone.offline_model.rules.stop_words import EVERY_STOP_WORD, NEGATIONS, WEEKDAYS

STEM_LETTERS = 6
QUOTE_LETTERS = 240

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_WORD = re.compile(r"[^\W_]+")
# Scripts without spaces: every character stands as a word of its own.
_UNSPACED = re.compile(r"([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff])")
_APOSTROPHES = str.maketrans("", "", "'’‘ʼ`´")
_SUFFIXES = ("ing", "ed", "es", "ly", "s")
_QUESTION_MARKS = ("?", "？", "؟")


def words_of(text: str) -> tuple[str, ...]:
    """Lower-case words without punctuation; every name of a weekday becomes `weekday`."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    found = _WORD.findall(_UNSPACED.sub(r" \1 ", folded))
    return tuple("weekday" if word in WEEKDAYS else word for word in found)


def stems_of(words: tuple[str, ...]) -> frozenset[str]:
    """The words that carry meaning, cut to their stems."""
    return frozenset(stem(word) for word in words if word not in EVERY_STOP_WORD)


def stem(word: str) -> str:
    """A word without a common English ending, cut to its first six letters."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word.removesuffix(suffix)
            break
    return word[:STEM_LETTERS]


@dataclass(frozen=True)
class Phrase:
    """Words to look for: an example of the rubric, or the text of an item."""

    text: str

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the phrase."""
        return words_of(self.text)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of the words that carry meaning."""
        return stems_of(self.words)


@dataclass(frozen=True)
class Sentence:
    """One sentence of a turn, verbatim."""

    turn: int
    text: str

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the sentence."""
        return words_of(self.text)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of the words that carry meaning."""
        return stems_of(self.words)

    @property
    def is_question(self) -> bool:
        """Whether it ends as a question."""
        return self.text.endswith(_QUESTION_MARKS)

    @property
    def quote(self) -> str:
        """The sentence, cut at a space when it is long; still verbatim."""
        if len(self.text) <= QUOTE_LETTERS:
            return self.text
        cut = self.text[:QUOTE_LETTERS]
        return cut.rpartition(" ")[0] or cut

    def negates(self, start: int, end: int) -> bool:
        """Whether one of the words from three before `start` up to `end` denies."""
        return any(word in NEGATIONS for word in self.words[max(0, start - 3) : end])


def sentences_of(turn: int, text: str) -> list[Sentence]:
    """The sentences of a turn, without the empty ones."""
    return [Sentence(turn, part) for raw in _SENTENCE_END.split(text) if (part := raw.strip())]
