"""Long calls: cut along turns into windows that fit the model, and put the evidence together again.

Windows rather than an excerpt: an excerpt throws away turns, and with them evidence. Neighbouring
windows share a few turns, so that a question at the end of one is read with its answer.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from clozone.grading.evidence import BetterLine, CriterionEvidence, Evidence, Finding, Quote
from clozone.grading.quotes import normalise
from clozone.grading.scoring import half_up
from clozone.sessions.transcript import Turn

BYTES_PER_TOKEN = 4
TOKENS_AROUND_A_TURN = 16
SHARED_TURNS = 2

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


def estimated_tokens(text: str) -> int:
    """UTF-8 bytes divided by 4, rounded up.

    That is four letters of English, two of Russian or Arabic and three quarters of a token or more
    per Chinese character: near what real tokenisers make of them, and on the safe side.
    """
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def windows(turns: Sequence[Turn], max_tokens: int) -> tuple[tuple[Turn, ...], ...]:
    """Cut the call into as few windows as its length asks for, each of at most `max_tokens`.

    Turns keep their index and order and none is lost. A window repeats the last two turns of the
    one before it when there is room. A turn too long for a window of its own is cut at sentences
    (or, failing that, at spaces) into pieces that share its index and times.
    """
    room = max_tokens - TOKENS_AROUND_A_TURN
    if room < TOKENS_AROUND_A_TURN:
        raise ValueError(f"A window of {max_tokens} tokens cannot hold a turn.")
    cut: list[list[Turn]] = [[]]
    used = 0
    for piece in (piece for turn in turns for piece in _pieces(turn, room)):
        cost = _cost(piece)
        if used + cost > max_tokens:
            cut.append(_shared(cut[-1], max_tokens - cost))
            used = sum(map(_cost, cut[-1]))
        cut[-1].append(piece)
        used += cost
    return tuple(tuple(window) for window in cut if window)


def merge(parts: Sequence[Evidence]) -> Evidence:
    """One evidence out of those of a call's windows, in order. At least one is needed.

    Something is observed if any window observed it, with all the quotes of those that did. A scale's
    level is the mean of the windows' levels, each weighing as much as it has quotes, rounded half
    up: a window in which nothing bears on the scale has no say. Texts are kept once each.
    """
    if len(parts) == 1:
        return parts[0]
    languages = Counter(part.language for part in parts)
    keys = _once(criterion.key for part in parts for criterion in part.criteria)
    return Evidence(
        language=languages.most_common(1)[0][0],
        summary=" ".join(_once(part.summary for part in parts)),
        criteria=tuple(
            _merged_criterion([c for part in parts for c in part.criteria if c.key == key])
            for key in keys
        ),
        strengths=_once(text for part in parts for text in part.strengths),
        next_steps=_once(text for part in parts for text in part.next_steps),
        better_lines=_merged_lines(line for part in parts for line in part.better_lines),
    )


def _pieces(turn: Turn, room: int) -> Iterator[Turn]:
    if estimated_tokens(turn.text) <= room:
        yield turn
        return
    text = ""
    for fragment in _fragments(turn.text, room):
        joined = f"{text} {fragment}".strip()
        if estimated_tokens(joined) > room:
            yield replace(turn, text=text)
            joined = fragment
        text = joined
    yield replace(turn, text=text)


def _fragments(text: str, room: int) -> Iterator[str]:
    """Sentences, or words of sentences that do not fit, or slices of words that do not."""
    for sentence in _SENTENCE_END.split(text):
        if estimated_tokens(sentence) <= room:
            yield sentence
            continue
        for word in sentence.split():
            letters = room * BYTES_PER_TOKEN // max(len(letter.encode()) for letter in word)
            yield from (word[at : at + letters] for at in range(0, len(word), letters))


def _cost(turn: Turn) -> int:
    return estimated_tokens(turn.text) + TOKENS_AROUND_A_TURN


def _shared(window: list[Turn], room: int) -> list[Turn]:
    """The last turns of `window` that fit into `room`, but never all of it."""
    shared: list[Turn] = []
    for turn in reversed(window[1:][-SHARED_TURNS:]):
        room -= _cost(turn)
        if room < 0:
            break
        shared.insert(0, turn)
    return shared


def _merged_criterion(parts: list[CriterionEvidence]) -> CriterionEvidence:
    findings = [finding for part in parts for finding in part.findings]
    items = _once(finding.item for finding in findings)
    return CriterionEvidence(
        key=parts[0].key,
        level=_merged_level(parts),
        findings=tuple(_merged_finding([f for f in findings if f.item == item]) for item in items),
    )


def _merged_level(parts: list[CriterionEvidence]) -> int | None:
    levels = [part.level for part in parts if part.level is not None]
    if not levels:
        return None
    weighed = [
        (part.level, quotes)
        for part in parts
        if part.level is not None
        and (quotes := sum(len(finding.quotes) for finding in part.findings))
    ]
    if not weighed:
        return max(levels)
    total = sum(quotes for _, quotes in weighed)
    return half_up(Fraction(sum(level * quotes for level, quotes in weighed), total))


def _merged_finding(findings: list[Finding]) -> Finding:
    telling = [finding for finding in findings if finding.observed] or findings
    quotes: dict[tuple[int, str], Quote] = {}
    for quote in (quote for finding in telling for quote in finding.quotes):
        quotes.setdefault((quote.turn, normalise(quote.text)), quote)
    return Finding(
        item=telling[0].item,
        observed=telling[0].observed,
        quotes=tuple(quotes.values()),
        note=" ".join(_once(finding.note for finding in telling if finding.note)),
    )


def _merged_lines(lines: Iterable[BetterLine]) -> tuple[BetterLine, ...]:
    kept: dict[tuple[int, str], BetterLine] = {}
    for line in lines:
        kept.setdefault((line.turn, normalise(line.said)), line)
    return tuple(kept.values())


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
