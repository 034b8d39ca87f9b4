"""What the times of the turns tell: who talks how long, who waits, who talks over whom."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median

from clozone.sessions.transcript import LONGEST_CALL_SECONDS, Speaker, Turn, count_words

# Shorter overlaps are imprecise recognition, not somebody talking over somebody.
LEAST_OVERLAP_SECONDS = 0.3
# "Mm-hm", "I see": listening aloud takes the word from nobody.
LONGEST_BACKCHANNEL_WORDS = 2


def call_seconds(turns: Iterable[Turn], duration_seconds: float | None) -> float | None:
    """The call's length: as told, but never less than what was said in it; None when unknown."""
    last = max((time for t in turns for time in (t.start, t.end) if time is not None), default=0.0)
    told = duration_seconds or 0.0
    if not 0 <= told <= LONGEST_CALL_SECONDS:  # nor is NaN
        told = 0.0
    return round(max(last, told), 3) or None


def without_backchannels(turns: Iterable[Turn]) -> list[Turn]:
    """The turns that took the word: without those of one or two words within the other's turn."""
    return [
        turn
        for turn, other_until in _with_end_of_other(turns)
        if turn.end is None or turn.end > other_until or not _is_brief(turn)
    ]


def talk_seconds(turns: Iterable[Turn], speaker: Speaker) -> float:
    """Length of the union of the speaker's timed turns: overlapping fragments count once."""
    total, reached = 0.0, 0.0
    for start, end in _intervals(turns, speaker):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def longest_monologue_seconds(turns: Iterable[Turn]) -> float:
    """The rep's longest stretch of timed turns between two turns of the customer, pauses included."""
    stretches = [_intervals(run, "rep") for _, run in groupby(turns, lambda turn: turn.speaker)]
    lengths = [max(end for _, end in timed) - timed[0][0] for timed in stretches if timed]
    return round(max(lengths, default=0.0), 3)


def interruptions(turns: Iterable[Turn]) -> int:
    """Turns of the rep, longer than a backchannel, that begin before the customer's turn ends."""
    return sum(
        turn.start is not None and turn.start <= customer_until - LEAST_OVERLAP_SECONDS
        for turn, customer_until in _with_end_of_other(turns)
        if turn.speaker == "rep" and not _is_brief(turn)
    )


def patience_seconds(turns: Sequence[Turn]) -> float | None:
    """Median wait between the end of the customer's turn and the rep's next; talking over is 0."""
    waits = [
        max(0.0, answer.start - question.end)
        for question, answer in pairwise(turns)
        if (question.speaker, answer.speaker) == ("customer", "rep")
        and question.end is not None
        and answer.start is not None
    ]
    return round(median(waits), 3) if waits else None


def _with_end_of_other(turns: Iterable[Turn]) -> Iterator[tuple[Turn, float]]:
    """Each turn with the time until which the other speaker, begun before, goes on (0: nobody)."""
    until: dict[Speaker, float] = {"rep": 0.0, "customer": 0.0}
    for turn in turns:
        yield turn, until["customer" if turn.speaker == "rep" else "rep"]
        until[turn.speaker] = max(until[turn.speaker], turn.end or 0.0)


def _is_brief(turn: Turn) -> bool:
    return count_words(turn.text) <= LONGEST_BACKCHANNEL_WORDS


def _intervals(turns: Iterable[Turn], speaker: Speaker) -> list[tuple[float, float]]:
    return sorted(
        (turn.start, turn.end)
        for turn in turns
        if turn.speaker == speaker and turn.start is not None and turn.end is not None
    )
