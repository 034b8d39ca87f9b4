"""How a call was spoken, measured from the turns. Code measures; no model is asked.

The definitions follow those that Gong publishes for its interaction statistics (help.gong.io,
"Analyze team performance"), except where a docstring below says otherwise.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

from clozone.sessions.fillers import FILLERS, count_fillers, guess_language
from clozone.sessions.timing import (
    call_seconds,
    interruptions,
    longest_monologue_seconds,
    patience_seconds,
    talk_seconds,
    without_backchannels,
)
from clozone.sessions.transcript import Turn, count_words

# Turns with both times must hold this share of the words, or the figures come from words alone.
_LEAST_TIMED_SHARE = 0.8
_QUESTION = re.compile(r"[?？؟]+")
_SENTENCE_END = re.compile(r"[.!?。！？؟…]")


@dataclass(frozen=True, slots=True)
class CallMetrics:
    """What `measure` found. None means that the source does not tell it, never zero.

    basis: "timestamps", or "words" when too few turns have times.
    language: of the filler list used, or None when the language has none.
    duration_seconds: length of the call.
    talk_ratio: 0–1, the rep's share of all talk time; on words, the rep's share of all words.
    longest_monologue_seconds: the rep's longest stretch of talk between two turns of the customer,
      pauses included; a backchannel (one or two words within the rep's turn) does not end it.
    questions: question marks ("??" is one) in the rep's turns; None for an unpunctuated transcript.
    question_rate_per_minute: questions per minute of the call (Gong counts them per call).
    filler_words, filler_rate_per_minute: of the rep; per minute of the rep's own talk time.
    interactivity: speaker switches per minute of the call, backchannels left out (Gong scales the
      same count to 0–10).
    interruptions: turns of the rep, of three words or more, that begin at least 0.3 s before the
      customer's turn ends.
    patience_seconds: median wait between the end of the customer's turn and the rep's answer to it;
      talking over counts as 0, a backchannel is no answer.
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
    timed = [turn for turn in turns if turn.start is not None and turn.end is not None]
    by_time = bool(timed) and _words(timed) >= _LEAST_TIMED_SHARE * _words(turns)
    spoken = timed if by_time else []
    rep_seconds, customer_seconds = talk_seconds(spoken, "rep"), talk_seconds(spoken, "customer")
    floor = without_backchannels(turns)
    duration = call_seconds(turns, duration_seconds)
    language = language or guess_language(" ".join(turn.text for turn in turns))
    questions, fillers = _questions(turns), _fillers(rep, language)
    return CallMetrics(
        basis="timestamps" if by_time else "words",
        language=language if language in FILLERS else None,
        duration_seconds=duration,
        talk_ratio=(
            _ratio(rep_seconds, rep_seconds + customer_seconds)
            if by_time
            else _ratio(_words(rep), _words(turns))
        ),
        longest_monologue_seconds=longest_monologue_seconds(floor) if by_time else None,
        questions=questions,
        question_rate_per_minute=_per_minute(questions, duration),
        filler_words=fillers,
        filler_rate_per_minute=_per_minute(fillers, rep_seconds),
        interactivity=_per_minute(speaker_switches(floor), duration) if turns else None,
        interruptions=interruptions(turns) if by_time else None,
        patience_seconds=patience_seconds(floor) if by_time else None,
        words_per_minute=_per_minute(_words(t for t in spoken if t.speaker == "rep"), rep_seconds),
    )


def speaker_switches(turns: Iterable[Turn]) -> int:
    """How often the word passes from one speaker to the other."""
    return sum(before.speaker != after.speaker for before, after in pairwise(turns))


def _words(turns: Iterable[Turn]) -> int:
    return sum(count_words(turn.text) for turn in turns)


def _questions(turns: Sequence[Turn]) -> int | None:
    if not any(_SENTENCE_END.search(turn.text) for turn in turns):
        return None
    return sum(len(_QUESTION.findall(turn.text)) for turn in turns if turn.speaker == "rep")


def _fillers(rep: Sequence[Turn], language: str | None) -> int | None:
    if language not in FILLERS:
        return None
    return sum(count_fillers(turn.text, language) for turn in rep)


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole > 0 else None


def _per_minute(count: float | None, seconds: float | None) -> float | None:
    return None if count is None or not seconds else round(count * 60 / seconds, 3)
