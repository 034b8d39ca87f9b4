"""Utterances from a list of voice-agent messages, in Vapi's shape or in the OpenAI chat shape."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from clozone.sessions.transcript import Speaker, Utterance

# The clock that stamps messages and the one that stamps the call disagree by up to this.
CLOCK_SKEW_SECONDS = 2.0
# In a practice call the human is the rep and the voice agent plays the customer.
_SPEAKERS: dict[str, Speaker] = {
    "user": "rep",
    "human": "rep",
    "rep": "rep",
    "bot": "customer",
    "assistant": "customer",
    "ai": "customer",
    "customer": "customer",
}


def speaker_of(role: object) -> Speaker | None:
    """Who speaks under this role or label; None for system, tools and whatever else is no voice."""
    return _SPEAKERS.get(role.strip().lower()) if isinstance(role, str) else None


def from_messages(messages: object, call_started_ms: float | None = None) -> list[Utterance]:
    """Read messages; what is no spoken message (system, tool, wrong types) is left out.

    Times come from `secondsFromStart`, else from `time` (epoch ms) minus the start of the call:
    the one that a message with both implies, else `call_started_ms`, else the earliest `time`.
    The end comes from `endTime`, else from `duration` (ms). Never raises.
    """
    if not isinstance(messages, list):
        return []
    entries = [entry for entry in messages if isinstance(entry, Mapping)]
    origin = _origin_ms(entries, call_started_ms)
    return list(_spoken(entries, origin))


def number(value: object) -> float | None:
    """A JSON value as a finite float; None for whatever else it is (booleans are no numbers)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond any float
        return None


def _spoken(entries: list[Mapping[str, Any]], origin: float | None) -> Iterator[Utterance]:
    for entry in entries:
        speaker, text = speaker_of(entry.get("role")), _text(entry)
        if speaker and text:
            start = _start(entry, origin)
            length = _length(entry)
            end = None if start is None or length is None else start + length
            yield Utterance(speaker, text, start, end)


def _text(entry: Mapping[str, Any]) -> str:
    for key in ("message", "content", "text", "transcript"):
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list):  # the OpenAI shape may split content into typed parts
            parts = [part.get("text") for part in value if isinstance(part, Mapping)]
            return " ".join(part for part in parts if isinstance(part, str))
    return ""


def _origin_ms(entries: list[Mapping[str, Any]], call_started_ms: float | None) -> float | None:
    times = [(_number(e, "time"), _number(e, "secondsFromStart")) for e in entries]
    for time, seconds in times:
        if time is not None and seconds is not None:
            return time - seconds * 1000
    if call_started_ms is not None:
        return call_started_ms
    return min((time for time, _ in times if time is not None), default=None)


def _start(entry: Mapping[str, Any], origin: float | None) -> float | None:
    seconds = _number(entry, "secondsFromStart")
    if seconds is not None:
        return seconds
    time = _number(entry, "time")
    if time is None or origin is None:
        return None
    start = (time - origin) / 1000
    return 0.0 if -CLOCK_SKEW_SECONDS <= start < 0 else start


def _length(entry: Mapping[str, Any]) -> float | None:
    time, end = _number(entry, "time"), _number(entry, "endTime")
    if time is not None and end is not None and end >= time:
        return (end - time) / 1000
    duration = _number(entry, "duration")
    return None if duration is None or duration < 0 else duration / 1000


def _number(entry: Mapping[str, Any], key: str) -> float | None:
    return number(entry.get(key))
