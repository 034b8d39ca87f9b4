"""How a call was spoken, measured from the turns. Code measures; no model is asked.

The definitions follow those that Gong publishes for its interaction statistics (help.gong.io,
"Analyze team performance"), except where a docstring below says otherwise.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import Any, Literal

from clozone.sessions.fillers import FILLERS, count_fillers, guess_language
from clozone.sessions.transcript import Speaker, Turn

# Turns with both times must hold this share of the words, or the figures come from words alone.
_LEAST_TIMED_SHARE = 0.8
# Shorter overlaps are imprecise recognition, not somebody talking over somebody.
_LEAST_OVERLAP_SECONDS = 0.3
# "Mm-hm", "I see": listening aloud does not interrupt.
_LONGEST_BACKCHANNEL_WORDS = 2

# Scripts without spaces between words: each character stands for one word.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:['’-][^\W_{_UNSPACED}]+)*")
_QUESTION = re.compile(r"[?？؟]+")
_SENTENCE_END = re.compile(r"[.!?。！？؟…]")


@dataclass(frozen=True, slots=True)
class CallMetrics:
    """What `measure` found. None means that the source does not tell it, never zero.

    basis: "timestamps", or "words" when too few turns have times.
    language: of the filler list used, or None when the language has none.
    duration_seconds: length of the call.
    talk_ratio: 0–1, the rep's share of all talk time; on words, the rep's share of all words.
    longest_monologue_seconds: the rep's longest stretch of talk without the customer speaking,
      pauses included.
    questions: question marks ("??" is one) in the rep's turns; None for an unpunctuated transcript.
    question_rate_per_minute: questions per minute of the call (Gong counts them per call).
    filler_words, filler_rate_per_minute: of the rep; per minute of the rep's own talk time.
    interactivity: speaker switches per minute of the call (Gong scales the same count to 0–10).
    interruptions: turns of the rep, of three words or more, that begin at least 0.3 s before the
      customer's turn ends.
    patience_seconds: median wait between the end of the customer's turn and the rep's answer to it;
      talking over counts as 0.
    words_per_minute: the rep's words per minute of the rep's own talk time.
    """

    basis: Literal["timestamps", "words"]
    language: str | None
    duration_seconds: float | None
    talk_ratio: float | None
    longest_monologue_seconds: float | None
    questions: int | None
    question_rate_per_minute: float | None
    filler_words: int | None
    filler_rate_per_minute: float | None
    interactivity: float | None
    interruptions: int | None
    patience_seconds: float | None
    words_per_minute: float | None

    def to_json(self) -> dict[str, Any]:
        """A JSON object with these names; numbers are already rounded to three decimals."""
        return asdict(self)


def measure(
    turns: Sequence[Turn], duration_seconds: float | None, language: str | None = None
) -> CallMetrics:
    """Measure cleaned turns. `duration_seconds` is the call's length, if known.

    `language` is an ISO 639-1 code; without one it is guessed from the text.
    """
    rep = [turn for turn in turns if turn.speaker == "rep"]
    words = {turn.index: count_words(turn.text) for turn in turns}
    rep_words = sum(words[turn.index] for turn in rep)
    timed = [turn for turn in turns if turn.start is not None and turn.end is not None]
    by_time = bool(timed) and (
        sum(words[turn.index] for turn in timed) >= _LEAST_TIMED_SHARE * sum(words.values())
    )
    spoken = timed if by_time else []
    duration = _duration(turns, duration_seconds)
    rep_seconds = _talk_seconds(spoken, "rep")
    customer_seconds = _talk_seconds(spoken, "customer")
    if by_time:
        talk_ratio = _ratio(rep_seconds, rep_seconds + customer_seconds)
        timed_rep_words = sum(words[turn.index] for turn in spoken if turn.speaker == "rep")
    else:
        talk_ratio = _ratio(rep_words, sum(words.values()))
        timed_rep_words = 0
    language = language or guess_language(" ".join(turn.text for turn in turns))
    questions = _questions(turns)
    fillers = _fillers(rep, language)
    return CallMetrics(
        basis="timestamps" if by_time else "words",
        language=language if language in FILLERS else None,
        duration_seconds=duration,
        talk_ratio=talk_ratio,
        longest_monologue_seconds=_longest_monologue(turns) if by_time else None,
        questions=questions,
        question_rate_per_minute=_per_minute(questions, duration),
        filler_words=fillers,
        filler_rate_per_minute=_per_minute(fillers, rep_seconds),
        interactivity=_per_minute(speaker_switches(turns) if turns else None, duration),
        interruptions=_interruptions(spoken, words) if by_time else None,
        patience_seconds=_patience(turns) if by_time else None,
        words_per_minute=_per_minute(timed_rep_words, rep_seconds),
    )


def count_words(text: str) -> int:
    """Words as a reader counts them: "don't" is one; in scripts without spaces, characters."""
    return len(_WORD.findall(text))


def speaker_switches(turns: Iterable[Turn]) -> int:
    """How often the word passes from one speaker to the other."""
    return sum(before.speaker != after.speaker for before, after in pairwise(turns))


def call_seconds(turns: Iterable[Turn], duration_seconds: float | None) -> float | None:
    """The call's length: as told, but never less than what was said in it; None when unknown."""
    last = max((time for t in turns for time in (t.start, t.end) if time is not None), default=0.0)
    told = duration_seconds if duration_seconds and duration_seconds > 0 else 0.0
    return max(last, told) or None


def _duration(turns: Iterable[Turn], duration_seconds: float | None) -> float | None:
    seconds = call_seconds(turns, duration_seconds)
    return None if seconds is None else round(seconds, 3)


def _intervals(turns: Iterable[Turn], speaker: Speaker) -> list[tuple[float, float]]:
    return sorted(
        (turn.start, turn.end)
        for turn in turns
        if turn.speaker == speaker and turn.start is not None and turn.end is not None
    )


def _talk_seconds(turns: Iterable[Turn], speaker: Speaker) -> float:
    """Length of the union of the speaker's turns: overlapping fragments count once."""
    total, reached = 0.0, 0.0
    for start, end in _intervals(turns, speaker):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _longest_monologue(turns: Sequence[Turn]) -> float:
    stretches = [
        list(run) for speaker, run in groupby(turns, lambda t: t.speaker) if speaker == "rep"
    ]
    spans = [_intervals(run, "rep") for run in stretches]
    return round(max((max(end for _, end in s) - s[0][0] for s in spans), default=0.0), 3)


def _questions(turns: Sequence[Turn]) -> int | None:
    if not any(_SENTENCE_END.search(turn.text) for turn in turns):
        return None
    return sum(len(_QUESTION.findall(turn.text)) for turn in turns if turn.speaker == "rep")


def _fillers(rep: Sequence[Turn], language: str | None) -> int | None:
    if language not in FILLERS:
        return None
    return sum(count_fillers(turn.text, language) for turn in rep)


def _interruptions(turns: Sequence[Turn], words: dict[int, int]) -> int:
    customer = _intervals(turns, "customer")
    return sum(
        any(start < at <= end - _LEAST_OVERLAP_SECONDS for start, end in customer)
        for turn in turns
        if turn.speaker == "rep" and words[turn.index] > _LONGEST_BACKCHANNEL_WORDS
        for at in [turn.start or 0.0]
    )


def _patience(turns: Sequence[Turn]) -> float | None:
    waits = [
        max(0.0, answer.start - question.end)
        for question, answer in pairwise(turns)
        if (question.speaker, answer.speaker) == ("customer", "rep")
        and question.end is not None
        and answer.start is not None
    ]
    return round(median(waits), 3) if waits else None


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole > 0 else None


def _per_minute(count: float | None, seconds: float | None) -> float | None:
    return None if count is None or not seconds else round(count * 60 / seconds, 3)
