"""What a message says, in all the places where Vapi has put it."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.support.vapi_bodies import SCHEMA, vapi_bodies

from clozone.sessions.transcript import clean
from clozone.webhooks.dedupe import delivery_key
from clozone.webhooks.envelope import read_envelope
from clozone.webhooks.vapi import CallUpdate, parse_message

DATA = Path(__file__).parents[2] / "data"
EXAMPLE = json.loads((DATA / "vapi_end_of_call_report.example.json").read_text())["message"]
VALIDATOR = Draft202012Validator(SCHEMA)
SPOKEN = [{"role": "bot", "message": "Hello?"}, {"role": "user", "message": "Hi."}]
OPENAI = [{"role": "assistant", "content": "Hello?"}, {"role": "user", "content": "Hi."}]
TEXT = "AI: Hello?\nUser: Hi.\n"


def report(**fields):
    return parse_message({"type": "end-of-call-report", **fields})


def said(update):
    return [(utterance.speaker, utterance.text) for utterance in update.utterances]


def test_the_full_example():
    update = parse_message(EXAMPLE)
    assert update.message_type == "end-of-call-report"
    assert update.call_id == "0199aa11-7c1e-7bb2-9f0e-5c2c2c9a1f01"
    assert (update.status, update.ended_reason) == ("ended", "customer-ended-call")
    assert update.started_at == datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    assert update.duration_seconds == 312.0
    assert (update.assistant_id, update.assistant_name) == ("a1b2...", "Dana - VP Ops")
    assert update.summary == "Rep pitched ..."
    assert update.cost_microdollars == 418_700
    assert update.cost_breakdown_microdollars == {
        "transport": 0,
        "transcriber": 52_000,
        "model": 1_700,
        "voice": 101_000,
        "vapi": 260_000,
        "analysis": 4_000,
    }
    assert update.recordings.stereo_url == "https://storage.vapi.ai/0199...-stereo.wav"
    assert update.recordings.expires_at == datetime(2026, 11, 24, 4, 5, 20, tzinfo=UTC)
    turns = clean(update.utterances)
    assert [(t.speaker, t.text, t.start, t.end) for t in turns] == [
        ("customer", "Hello, Dana speaking.", 1.31, 2.7),
        ("rep", "Hi Dana, this is Sam from Acme.", 3.9, 6.1),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"artifact": {"messages": SPOKEN}},
        {"messages": SPOKEN},
        {"call": {"artifact": {"messages": SPOKEN}}},
        {"call": {"messages": SPOKEN}},
        {"artifact": {"messagesOpenAIFormatted": OPENAI}},
        {"messagesOpenAIFormatted": OPENAI},
        {"artifact": {"transcript": TEXT}},
        {"transcript": TEXT},
        {"artifact": {"messages": None, "transcript": TEXT}},
        {
            "artifact": {"messages": [], "messagesOpenAIFormatted": [], "transcript": ""},
            "transcript": TEXT,
        },
        {
            "artifact": {
                "messages": [{"role": "system", "message": "You are …"}],
                "transcript": TEXT,
            }
        },
        {"artifact": {"messages": SPOKEN[:1]}, "messagesOpenAIFormatted": OPENAI},
        {"artifact": "none", "messages": SPOKEN},
        {"transcript": "Dana: Hello?\nSam: Hi.", "assistant": {"name": "Dana - VP Ops"}},
    ],
)
def test_the_transcript_is_found_wherever_it_is(fields):
    assert said(report(**fields)) == [("customer", "Hello?"), ("rep", "Hi.")]


def test_messages_with_times_win_over_text():
    timed = [{**entry, "secondsFromStart": n} for n, entry in enumerate(SPOKEN)]
    update = report(
        artifact={"messages": timed, "messagesOpenAIFormatted": OPENAI, "transcript": TEXT}
    )
    assert [utterance.start for utterance in update.utterances] == [0, 1]


def test_one_sided_sources_keep_the_richest():
    assert said(report(messages=SPOKEN[:1], transcript="AI: Anybody?")) == [("customer", "Hello?")]


@pytest.mark.parametrize(
    "fields", [{}, {"transcript": ""}, {"artifact": {"messages": [], "transcript": ""}}]
)
def test_a_voicemail_has_no_transcript(fields):
    assert report(endedReason="voicemail", **fields).utterances == ()


def test_a_transcript_message_is_a_fragment_and_not_the_calls_text():
    message = {
        "type": "transcript",
        "role": "user",
        "transcriptType": "partial",
        "transcript": "AI: Hi.",
    }
    assert parse_message(message).utterances == ()


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"type": "status-update", "status": "in-progress"}, "in-progress"),
        ({"type": "status-update", "call": {"status": "queued"}}, "queued"),
        ({"type": "end-of-call-report", "call": {"status": "in-progress"}}, "ended"),
        ({"type": "speech-update", "status": "started"}, None),
        ({"type": "hang", "call": {"status": "in-progress"}}, "in-progress"),
        ({"type": "status-update", "status": 7}, None),
    ],
)
def test_the_status_is_the_calls(message, status):
    assert parse_message(message).status == status


@pytest.mark.parametrize(
    "fields",
    [
        {"startedAt": "2026-11-24T03:00:00Z", "endedAt": "2026-11-24T03:01:30Z"},
        {"call": {"startedAt": "2026-11-24T04:00:00+01:00", "endedAt": "2026-11-24T03:01:30.000Z"}},
        {"startedAt": 1795489200000, "endedAt": 1795489290000},
        {"durationSeconds": 90},
        {"durationMs": 90_000},
        {"messages": [{"time": 1795489200000}, {"time": 1795489280000, "endTime": 1795489290000}]},
        {
            "startedAt": "2026-11-24T03:01:30Z",
            "endedAt": "2026-11-24T03:00:00Z",
            "durationSeconds": 90,
        },
        {"startedAt": "then", "endedAt": [], "durationSeconds": 90.0},
    ],
)
def test_the_duration_is_found_or_computed(fields):
    assert report(**fields).duration_seconds == 90.0


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "",
        True,
        -5,
        0,
        1e300,
        [],
        {},
        "9999-99-99",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
    ],
)
def test_a_bad_time_counts_as_absent(value):
    update = report(startedAt=value, endedAt=value, durationSeconds=value)
    assert (update.started_at, update.ended_at, update.duration_seconds) == (None, None, None)


def test_a_call_does_not_end_before_it_starts():
    update = report(startedAt="2026-11-24T03:01:30Z", endedAt="2026-11-24T03:00:00Z")
    assert update.started_at == datetime(2026, 11, 24, 3, 1, 30, tzinfo=UTC)
    assert (update.ended_at, update.duration_seconds) == (None, None)


@pytest.mark.parametrize(
    "entry",
    [
        {"secondsFromStart": 1e306, "time": 1_795_489_200_000},
        {"time": -1e308, "endTime": 1e308},
        {"time": -1e308, "secondsFromStart": 1e308},
    ],
)
def test_times_of_what_was_said_are_finite(entry):
    talk = [{**SPOKEN[0], **entry}, {**SPOKEN[1], "time": 1_795_489_201_000}]
    utterances = report(messages=talk).utterances
    assert [u.speaker for u in utterances] == ["customer", "rep"]
    assert json.dumps([[u.start, u.end] for u in utterances], allow_nan=False)


@pytest.mark.parametrize(
    ("fields", "total", "parts"),
    [
        (
            {"costs": [{"type": "vapi", "cost": 0.1}, {"type": "vapi", "cost": 0.2}]},
            300_000,
            {"vapi": 300_000},
        ),
        ({"costs": [{"cost": 0.0000005}, {"cost": 0.0000005}]}, 1, {"other": 1}),
        (
            {"costs": [{"type": "model", "cost": 1.0000005}], "cost": 9},
            1_000_001,
            {"model": 1_000_001},
        ),
        ({"call": {"costs": [{"type": "voice", "cost": 1}]}}, 1_000_000, {"voice": 1_000_000}),
        (
            {
                "costBreakdown": {
                    "stt": 0.01,
                    "llm": 0.02,
                    "tts": 0.03,
                    "total": 0.07,
                    "llmPromptTokens": 900,
                }
            },
            70_000,
            {"transcriber": 10_000, "model": 20_000, "voice": 30_000},
        ),
        (
            {
                "costBreakdown": {
                    "vapi": 0.05,
                    "analysisCostBreakdown": {"summary": 0.01, "structuredData": 0.02},
                }
            },
            80_000,
            {"vapi": 50_000, "analysis": 30_000},
        ),
        ({"costs": [], "costBreakdown": {}, "cost": 0.4187}, 418_700, {}),
        ({"cost": "0.4", "call": {"cost": 0.5}}, 500_000, {}),
        ({"costs": [{"type": "vapi", "cost": "free"}, 7, None], "cost": 0}, 0, {}),
        ({"cost": -1}, None, {}),
        ({"cost": 1e18}, None, {}),
        ({"cost": True}, None, {}),
        ({}, None, {}),
    ],
)
def test_costs_are_exact_and_found_wherever_they_are(fields, total, parts):
    update = report(**fields)
    assert (update.cost_microdollars, update.cost_breakdown_microdollars) == (total, parts)


@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: {"artifact": x}, lambda x: {"call": {"artifact": x}}]
)
def test_recordings_are_found_wherever_they_are(wrap):
    recordings = report(
        **wrap(
            {
                "recordingUrl": "https://a.example/mono.wav",
                "recording": {"stereoUrl": "https://a.example/stereo.wav"},
                "presignedMonoUrl": "https://b.example/mono?X-Amz-Signature=1",
                "presignedUrlsExpiresAt": "2026-11-24T04:05:20Z",
            }
        )
    ).recordings
    assert recordings.mono_url == "https://a.example/mono.wav"
    assert recordings.stereo_url == "https://a.example/stereo.wav"
    assert recordings.presigned_mono_url == "https://b.example/mono?X-Amz-Signature=1"
    assert recordings.expires_at == datetime(2026, 11, 24, 4, 5, 20, tzinfo=UTC)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "...", "", 7, None])
def test_only_web_addresses_are_recordings(url):
    assert report(recordingUrl=url).recordings.mono_url is None


@pytest.mark.parametrize(
    "fields",
    [
        {"analysis": {"summary": "Good."}},
        {"summary": "Good."},
        {"call": {"analysis": {"summary": "Good."}}},
    ],
)
def test_the_summary_is_found_wherever_it_is(fields):
    assert report(**fields).summary == "Good."


def paths(value, prefix=()):
    """Every place in a JSON value, the value itself left out."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield (*prefix, key)
        yield from paths(item, (*prefix, key))


JUNK = [
    None,
    True,
    -1,
    1.5,
    10**400,
    float("nan"),
    "\0",
    "x" * 300,
    [],
    {},
    [[]],
    {"": {}},
    [None, 7, {"role": []}],
]


@given(st.sampled_from(sorted(paths(EXAMPLE), key=str)), st.sampled_from(JUNK))
@settings(max_examples=400, deadline=None)
def test_any_field_may_be_of_any_type(path, junk):
    message = copy.deepcopy(EXAMPLE)
    target = message
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = junk
    update = parse_message(message)
    assert isinstance(update, CallUpdate)
    clean(update.utterances)


@given(vapi_bodies)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_message_of_vapis_schema_is_read(body):
    assert VALIDATOR.is_valid(body)
    envelope = read_envelope(json.dumps(body).encode())
    update = parse_message(envelope.message)
    assert update.message_type == envelope.message_type
    assert clean(clean(update.utterances)) == clean(update.utterances)
    assert len(delivery_key(envelope.message_type, envelope.call_id, envelope.message)) == 64
