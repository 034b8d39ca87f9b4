"""What a Vapi server message says, wherever its version of the format put it.

The same facts sit at different depths in messages of different kinds and ages, so each is looked
for in all its places. Values of the wrong type count as absent; nothing here raises on any object.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from clozone.sessions.transcript import LONGEST_CALL_SECONDS, Utterance
from clozone.sessions.transcript_text import from_text
from clozone.sessions.voice_messages import from_messages, number
from clozone.webhooks.costs import read_costs
from clozone.webhooks.envelope import References, call_id_of, message_type_of, references_of
from clozone.webhooks.fields import at, first_moment, first_name, first_number, first_text

END_OF_CALL_REPORT = "end-of-call-report"
STATUS_UPDATE = "status-update"
ENDED = "ended"

_MESSAGE_LISTS = (
    "artifact.messages",
    "messages",
    "call.artifact.messages",
    "call.messages",
    "artifact.messagesOpenAIFormatted",
    "messagesOpenAIFormatted",
    "call.artifact.messagesOpenAIFormatted",
)
_TRANSCRIPT_TEXTS = (
    "artifact.transcript",
    "transcript",
    "call.artifact.transcript",
    "call.transcript",
)


@dataclass(frozen=True, slots=True)
class Recordings:
    """Where the recordings are. The presigned addresses stop working at `expires_at`."""

    mono_url: str | None = None
    stereo_url: str | None = None
    presigned_mono_url: str | None = None
    presigned_stereo_url: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallUpdate:
    """What one message says about its call; None is "not told". Times are aware UTC.

    `utterances` are raw (see sessions.transcript.clean). `status` is Vapi's word for the call's
    state; a report implies "ended". Costs are Vapi's own, micro-dollars.
    """

    message_type: str
    call_id: str | None
    references: References
    status: str | None
    ended_reason: str | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    assistant_id: str | None
    assistant_name: str | None
    utterances: tuple[Utterance, ...]
    summary: str | None
    recordings: Recordings
    cost_microdollars: int | None
    cost_breakdown_microdollars: dict[str, int]


def parse_message(message: Mapping[str, Any]) -> CallUpdate:
    """Everything that the message tells about its call. Never raises on a JSON object."""
    started_at = first_moment(message, "startedAt", "call.startedAt", "artifact.startedAt")
    ended_at = first_moment(message, "endedAt", "call.endedAt", "artifact.endedAt")
    if started_at and ended_at and ended_at < started_at:
        ended_at = None
    assistant_name = first_name(message, "assistant.name", "call.assistant.name")
    cost, breakdown = read_costs(message)
    return CallUpdate(
        message_type=message_type_of(message),
        call_id=call_id_of(message),
        references=references_of(message),
        status=_status(message),
        ended_reason=first_name(message, "endedReason", "call.endedReason", "artifact.endedReason"),
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=_duration(message, started_at, ended_at),
        assistant_id=first_name(message, "call.assistantId", "assistant.id", "assistantId"),
        assistant_name=assistant_name,
        utterances=_utterances(message, started_at, assistant_name),
        summary=first_text(message, "analysis.summary", "summary", "call.analysis.summary"),
        recordings=_recordings(message),
        cost_microdollars=cost,
        cost_breakdown_microdollars=breakdown,
    )


def _status(message: Mapping[str, Any]) -> str | None:
    # Other kinds have a `status` of their own: a speech-update's is "started" or "stopped".
    if message.get("type") == END_OF_CALL_REPORT:
        return ENDED
    own = first_name(message, "status") if message.get("type") == STATUS_UPDATE else None
    return own or first_name(message, "call.status")


def _duration(
    message: Mapping[str, Any], started_at: datetime | None, ended_at: datetime | None
) -> float | None:
    for seconds in _durations(message, started_at, ended_at):
        if seconds is not None and 0 < seconds <= LONGEST_CALL_SECONDS:
            return round(seconds, 3)
    return None


def _durations(
    message: Mapping[str, Any], started_at: datetime | None, ended_at: datetime | None
) -> Iterator[float | None]:
    """The call's possible lengths, the most trustworthy first."""
    if started_at and ended_at:
        yield (ended_at - started_at).total_seconds()
    yield first_number(message, "durationSeconds", "call.durationSeconds")
    milliseconds = first_number(message, "durationMs", "call.durationMs")
    yield None if milliseconds is None else milliseconds / 1000
    for path in _MESSAGE_LISTS:
        entries = at(message, path)
        if isinstance(entries, list):
            times = [number(at(entry, key)) for entry in entries for key in ("time", "endTime")]
            told = [time for time in times if time is not None]
            yield (max(told) - min(told)) / 1000 if told else None


def _utterances(
    message: Mapping[str, Any], started_at: datetime | None, assistant_name: str | None
) -> tuple[Utterance, ...]:
    """From the richest source in which both sides speak, else from the richest with any speech."""
    started_ms = started_at.timestamp() * 1000 if started_at else None
    best: list[Utterance] = []
    for found in _transcripts(message, started_ms, assistant_name):
        if len({utterance.speaker for utterance in found}) == 2:
            best = found
            break
        best = best or found
    # Two numbers that are each within bounds may still lie an infinity apart; JSON has none.
    return tuple(replace(u, start=number(u.start), end=number(u.end)) for u in best)


def _transcripts(
    message: Mapping[str, Any], started_ms: float | None, assistant_name: str | None
) -> Iterator[list[Utterance]]:
    for path in _MESSAGE_LISTS:
        yield from_messages(at(message, path), started_ms)
    for path in _TRANSCRIPT_TEXTS:
        # A "transcript" message carries one fragment of one speaker there, not the call's text.
        fragment = message.get("type") == "transcript" and path == "transcript"
        text = None if fragment else at(message, path)
        yield from_text(text, assistant_name) if isinstance(text, str) else []


def _recordings(message: Mapping[str, Any]) -> Recordings:
    return Recordings(
        mono_url=_url(message, "recordingUrl", "recording.mono.combinedUrl"),
        stereo_url=_url(message, "stereoRecordingUrl", "recording.stereoUrl"),
        presigned_mono_url=_url(message, "presignedMonoUrl"),
        presigned_stereo_url=_url(message, "presignedStereoUrl"),
        expires_at=first_moment(message, *_everywhere("presignedUrlsExpiresAt")),
    )


def _url(message: Mapping[str, Any], *paths: str) -> str | None:
    url = first_text(message, *(place for path in paths for place in _everywhere(path)))
    return url.strip() if url and url.strip().lower().startswith(("https://", "http://")) else None


def _everywhere(path: str) -> tuple[str, ...]:
    return (f"artifact.{path}", path, f"call.artifact.{path}", f"call.{path}")
