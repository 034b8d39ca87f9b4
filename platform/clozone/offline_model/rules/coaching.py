"""Summary, strengths, next steps and better lines: filled-in sentences about what was found."""

from collections.abc import Sequence
from typing import Any

from clozone.offline_model.rules.findings import Item
from clozone.offline_model.rules.language import language_of
from clozone.offline_model.rules.phrasebook import Phrasebook
from clozone.offline_model.rules.prompt_reader import Call
from clozone.offline_model.rules.words import Phrase, Sentence, sentences_of, words_of

MOST_OF_EACH = 3
WORDS_OF_A_WEAK_MOMENT = 6


def summary(call: Call, items: Sequence[Item], book: Phrasebook) -> str:
    """How many turns the rep had, and which points were found.

    A forbidden thing that was not said is no point: a rep who says nothing would earn it.
    """
    shown = [item.text for item in items if item.good and item.found]
    missing = [item.text for item in items if not item.good]
    return book.summarise(len(call.rep_turns), len(call.turns), shown, missing)


def strengths(items: Sequence[Item]) -> list[str]:
    """The first three good items whose words can be quoted, each of another criterion if possible."""
    told = [item for item in items if item.good and item.found]
    first = {item.criterion: item for item in reversed(told)}
    by_criterion = sorted(told, key=lambda item: first[item.criterion] is not item)
    return [
        f"{item.text}: “{item.found[0].sentence.quote}”" for item in by_criterion[:MOST_OF_EACH]
    ]


def next_steps(items: Sequence[Item], language: str, book: Phrasebook) -> list[str]:
    """What to leave out comes first, then what was missing, then scales below 7."""
    steps = []
    for item in sorted(items, key=_urgency):
        if item.good:
            continue
        if item.kind == "compliance" and item.found:
            steps.append(book.avoid.format(quote=item.found[0].sentence.quote, text=item.text))
        else:
            pattern = book.more_of if item.found else book.next_step
            steps.append(pattern.format(text=item.text, example=_example(item, language)))
    return steps[:MOST_OF_EACH]


def better_lines(
    call: Call, items: Sequence[Item], language: str, book: Phrasebook
) -> list[dict[str, Any]]:
    """Forbidden words, then the longest turns that show nothing, each with a missing item's example."""
    lines = [
        _line(item.found[0].sentence, book.instead_of_a_promise)
        for item in items
        if item.kind == "compliance" and not item.good and item.found
    ]
    missing = [item for item in items if not item.good and not item.found and item.examples]
    for moment, item in zip(_weak_moments(call, items), missing, strict=False):
        lines.append(_line(moment, book.better.format(example=_example(item, language))))
    return sorted(lines[:MOST_OF_EACH], key=lambda line: line["turn"])


def _urgency(item: Item) -> int:
    if item.kind == "compliance":
        return 0
    return 2 if item.found else 1


def _example(item: Item, language: str) -> str:
    """The first example in the language of the call, else the first, else the text."""
    for example in item.examples:
        if language_of(example, Phrase(example).words) == language:
            return example
    return item.examples[0] if item.examples else item.text


def _weak_moments(call: Call, items: Sequence[Item]) -> list[Sentence]:
    telling = {match.sentence.turn for item in items for match in item.found}
    silent = [turn for turn in call.rep_turns if turn.number not in telling]
    silent.sort(key=lambda turn: (-len(words_of(turn.text)), turn.number))
    return [
        max(sentences_of(turn.number, turn.text), key=lambda sentence: len(sentence.words))
        for turn in silent
        if len(words_of(turn.text)) >= WORDS_OF_A_WEAK_MOMENT
    ]


def _line(sentence: Sentence, better: str) -> dict[str, Any]:
    return {"turn": sentence.turn, "said": sentence.quote, "better": better}
