"""When does a sentence show what a rubric looks for? The three rules, strongest first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clozone.offline_model.rules.stop_words import TALK_ABOUT_REPS
from clozone.offline_model.rules.words import Phrase, Sentence

WORDS_BETWEEN = 2
LEAST_STEMS = 2
QUOTES_KEPT = 3

_ASKING = ("ask", "asks", "asking", "pregunta", "fragt", "demande", "pergunta", "chiede", "vraagt")


@dataclass(frozen=True)
class Match:
    """A sentence that shows something, by which rule (1 is the strongest) and which example."""

    sentence: Sentence
    rule: int
    example: int | None


def matches(
    sentences: Sequence[Sentence], examples: Sequence[str], text: str | None
) -> list[Match]:
    """The sentences that show one of `examples`, or what `text` describes, strongest first.

    Rule 1: the words of an example, in order, with at most two other words between neighbours.
    Rule 2: two thirds, and at least two, of an example's stems.
    Rule 3: all stems of the text, or two thirds of them if there are more than two; a text that
    begins with "Asks" needs a question. Without a text there is no rule 3.
    """
    phrases = [Phrase(example) for example in examples]
    described = _description(text) if text else None
    found = [
        match
        for sentence in sentences
        if (match := _strongest(sentence, phrases, described)) is not None
    ]
    return sorted(found, key=lambda match: (match.rule, match.sentence.turn))


def utterances(sentences: Sequence[Sentence], examples: Sequence[str]) -> list[Match]:
    """The sentences that say one of `examples` by rule 1 and do not deny it."""
    found = []
    for sentence in sentences:
        for number, phrase in enumerate(map(Phrase, examples)):
            span = _span(phrase.words, sentence.words)
            if span is not None and not sentence.negates(*span):
                found.append(Match(sentence, 1, number))
                break
    return found


def _strongest(
    sentence: Sentence, phrases: Sequence[Phrase], described: "_Description | None"
) -> Match | None:
    for number, phrase in enumerate(phrases):
        if _span(phrase.words, sentence.words) is not None:
            return Match(sentence, 1, number)
    for number, phrase in enumerate(phrases):
        if _shares_stems(phrase.stems, sentence.stems):
            return Match(sentence, 2, number)
    if described is not None and described.fits(sentence):
        return Match(sentence, 3, None)
    return None


def _span(sought: tuple[str, ...], words: tuple[str, ...]) -> tuple[int, int] | None:
    """Where `sought` stands in `words` (first, one past the last), or None."""
    if not sought:
        return None
    for start in (at for at, word in enumerate(words) if word == sought[0]):
        end = _end(sought, words, start)
        if end is not None:
            return start, end
    return None


def _end(sought: tuple[str, ...], words: tuple[str, ...], start: int) -> int | None:
    end = start + 1
    for word in sought[1:]:
        within = words[end : end + WORDS_BETWEEN + 1]
        if word not in within:
            return None
        end += within.index(word) + 1
    return end


def _shares_stems(sought: frozenset[str], stems: frozenset[str]) -> bool:
    shared = len(sought & stems)
    return shared >= LEAST_STEMS and 3 * shared >= 2 * len(sought)


@dataclass(frozen=True)
class _Description:
    stems: frozenset[str]
    asks: bool

    def fits(self, sentence: Sentence) -> bool:
        if not self.stems or (self.asks and not sentence.is_question):
            return False
        shared = len(self.stems & sentence.stems)
        if len(self.stems) <= LEAST_STEMS:
            return shared == len(self.stems)
        return 3 * shared >= 2 * len(self.stems)


def _description(text: str) -> _Description:
    phrase = Phrase(text)
    told = Phrase(" ".join(word for word in phrase.words if word not in TALK_ABOUT_REPS))
    return _Description(told.stems, bool(phrase.words) and phrase.words[0] in _ASKING)


def distinct_turns(found: Iterable[Match]) -> list[int]:
    """The numbers of the turns in which something was found, in order."""
    return sorted({match.sentence.turn for match in found})
