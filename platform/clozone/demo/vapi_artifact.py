"""What Vapi keeps of a call: the talk in three forms, the recordings, the latencies."""

import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from clozone.demo.content import DemoCall, DemoTurn, demo_templates
from clozone.kit.clock import iso

Json = dict[str, Any]
# A name that resolves nowhere: nothing may be fetched for a call that never took place.
STORAGE = "https://storage.vapi.example"
LINK_LIFETIME = timedelta(hours=1)


def artifact(
    call: DemoCall, started_at: datetime, call_id: str, sent_at: datetime, number: int
) -> Json:
    """The artifact of a report; `number` counts deliveries, whose links are signed anew."""
    facts: Json = {}
    if call.payload.messages:
        facts |= conversation(call, started_at, len(call.turns))
    if call.payload.transcript:
        facts["transcript"] = _transcript(call)
    return facts | _recordings(call_id, sent_at, number) | {"performanceMetrics": _latencies(call)}


def conversation(call: DemoCall, started_at: datetime, turns: int) -> Json:
    """The first `turns` turns as Vapi's own messages and as OpenAI's."""
    spoken = call.turns[:turns]
    start_ms = int(started_at.timestamp() * 1000)
    instructions = {
        "role": "system",
        "message": _scenario(call.template),
        "time": start_ms,
        "secondsFromStart": 0,
    }
    return {
        "messages": [instructions, *(_message(call, turn, start_ms) for turn in spoken)],
        "messagesOpenAIFormatted": [
            {"role": "system", "content": instructions["message"]},
            *({"role": _openai_role(turn), "content": turn.text} for turn in spoken),
        ],
    }


def _message(call: DemoCall, turn: DemoTurn, start_ms: int) -> Json:
    rep = turn.speaker == "rep"
    return {
        "role": "user" if rep else call.payload.bot_role,
        "message": turn.text,
        "time": start_ms + round(turn.start * 1000),
        "endTime": start_ms + round(turn.end * 1000),
        "secondsFromStart": turn.start,
        "duration": round((turn.end - turn.start) * 1000),
        **({"metadata": {"wordLevelConfidence": []}} if rep else {"source": ""}),
    }


def _openai_role(turn: DemoTurn) -> str:
    return "user" if turn.speaker == "rep" else "assistant"


def _transcript(call: DemoCall) -> str:
    customer, rep = call.payload.speaker_names
    names = {"customer": customer, "rep": rep}
    return "".join(f"{names[turn.speaker]}: {turn.text}\n" for turn in call.turns)


def _recordings(call_id: str, sent_at: datetime, number: int) -> Json:
    mono, stereo = f"{STORAGE}/{call_id}-mono.wav", f"{STORAGE}/{call_id}-stereo.wav"
    return {
        "recordingUrl": mono,
        "stereoRecordingUrl": stereo,
        "recording": {"stereoUrl": stereo, "mono": {"combinedUrl": mono}},
        "presignedMonoUrl": _presigned(mono, sent_at, number),
        "presignedStereoUrl": _presigned(stereo, sent_at, number),
        "presignedUrlsExpiresAt": iso(sent_at + LINK_LIFETIME),
        "logUrl": f"{STORAGE}/{call_id}.log",
    }


def _presigned(address: str, sent_at: datetime, number: int) -> str:
    signature = hashlib.sha256(f"{address}#{number}".encode()).hexdigest()
    return (
        f"{address}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={sent_at:%Y%m%dT%H%M%SZ}"
        f"&X-Amz-Expires={LINK_LIFETIME.seconds}&X-Amz-Signature={signature}"
    )


def _latencies(call: DemoCall) -> Json:
    answers = [
        max(0, round((answer.start - question.end) * 1000))
        for question, answer in pairwise(call.turns)
        if question.speaker == "rep" and answer.speaker == "customer"
    ]
    overlaps = [after for before, after in pairwise(call.turns) if after.start < before.end]
    return {
        "turnLatencies": [{"turnLatency": latency} for latency in answers],
        "turnLatencyAverage": round(sum(answers) / len(answers)) if answers else 0,
        "numUserInterrupted": sum(turn.speaker == "customer" for turn in overlaps),
        "numAssistantInterrupted": sum(turn.speaker == "rep" for turn in overlaps),
    }


@lru_cache(maxsize=8)
def _scenario(template: str) -> str:
    return next(found.scenario for found in demo_templates() if found.key == template)
