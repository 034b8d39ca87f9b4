"""What cannot be read is refused and leaves nothing behind; what can be read is kept, however odd."""

import json
from collections.abc import Iterator

import pytest
from inbox_probe import Inbox
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, encoded, metadata_of

from clozone.kit.ids import new_id

LIMIT = 10_485_760
TOO_LARGE = 20_000_000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b'{"message":{"type":"hang"', 400, "bad_request"),
        (b"\x00\x01\x02", 400, "bad_request"),
        (b"message=hang", 400, "bad_request"),
        (b'{"message":' * 200_000, 400, "bad_request"),
        (b"[" * 5_000_000, 400, "bad_request"),
        (b"null", 422, "validation_failed"),
        (b"[]", 422, "validation_failed"),
        (b"{}", 422, "validation_failed"),
        (b'{"type":"end-of-call-report"}', 422, "validation_failed"),
        (b'{"message":null}', 422, "validation_failed"),
        (b'{"message":[{"type":"hang"}]}', 422, "validation_failed"),
    ],
)
def test_what_is_no_message_is_refused(inbox: Inbox, body: bytes, status: int, code: str):
    before = inbox.count()
    answer = inbox.post(body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert inbox.count() == before


def pieces(content: bytes) -> Iterator[bytes]:
    return (content[start : start + 65_536] for start in range(0, len(content), 65_536))


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
def test_a_body_of_20_mb_is_too_large(inbox: Inbox, announced: bool):
    body = encoded(Call().report(transcript="x" * TOO_LARGE))
    before = inbox.count()
    answer = inbox.post(body if announced else pieces(body))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert inbox.count() == before
    # The door is open for the next one.
    inbox.take(Call().status("in-progress"))


def test_a_body_just_within_the_limit_is_kept_and_read(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    said = "AI: {0}\nUser: {0}\n".format("a word and another " * 500) * 490
    report = call.report(transcript=said, artifact={})
    report["message"]["padding"] = "x" * (LIMIT - len(encoded(report)) - len(', "padding": ""'))
    body = encoded(report)
    assert len(body) == LIMIT
    event = inbox.receive(body)
    assert (event.state, bytes(event.body)) == ("processed", body)
    assert inbox.session(session_id).status == "processing"


NUL, HALF = "\\u0000", "\\ud83d"


@pytest.mark.parametrize("odd", [NUL, HALF, NUL + HALF], ids=["nul", "half", "both"])
def test_nul_and_half_characters(inbox: Inbox, practice: Practice, odd: str):
    """PostgreSQL's text and jsonb hold neither, so they must be gone before they get there."""
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id), id="nul-@-" + str(new_id()))
    report = call.report(
        *TALK, ("user", "One @ more @."), endedReason="customer-@ended-call", summary="A@ summary"
    )
    report["message"]["k@ey"] = {"@": ["@"]}
    body = json.dumps(report).replace("@", odd).encode()
    event = inbox.receive(body)
    assert bytes(event.body) == body
    assert event.call_id == call.id.replace("@", "")
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert session.vapi_call_id == event.call_id
    assert session.ended_reason == "customer-ended-call"
    assert session.transcript[-1]["text"].endswith("One more .")


def test_a_raw_nul_byte_and_bytes_that_are_no_utf8(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    report = call.report(*TALK, ("user", "A@B?"))
    body = encoded(report).replace(b"A@B", b"A\x00B").replace(b"?", b"\xff", 1)
    event = inbox.receive(body)
    assert (event.state, bytes(event.body)) == ("processed", body)
    inbox.clean(session_id)
    assert inbox.session(session_id).transcript[-1]["text"].endswith("AB?")


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("conversation-update", "conversation-update"),
        ("assistant.started", "assistant.started"),
        ("call.invented.tomorrow", "call.invented.tomorrow"),
        ("End-Of-Call-Report", "End-Of-Call-Report"),
        ("ж" * 200, "ж" * 200),
        ("x" * 201, "unknown"),
        ("x" * 1_000_000, "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        (7, "unknown"),
        (["end-of-call-report"], "unknown"),
        ({"type": "status-update"}, "unknown"),
    ],
)
def test_a_type_that_is_not_used_is_stored_and_ignored(
    inbox: Inbox, practice: Practice, kind: object, stored: str
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    event = inbox.event(inbox.take(call.message(kind)))
    assert (event.message_type, event.state, event.reason) == (stored, "ignored", "type_not_used")
    assert event.processed_at is not None
    assert inbox.jobs_of(event.id) == []
    assert inbox.session(session_id).status == "pending"


@pytest.mark.parametrize("call_id", ["x" * 201, "x" * 1_000_000, "", " ", "\0", 7, None, [], {}])
def test_a_call_id_that_can_be_none_counts_as_missing(
    inbox: Inbox, practice: Practice, call_id: object
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    report = call.report(*TALK)
    report["message"]["call"]["id"] = call_id
    event = inbox.receive(report)
    assert (event.call_id, event.state, event.session_id) == (None, "processed", session_id)
    assert inbox.session(session_id).vapi_call_id is None


def test_the_longest_call_id(inbox: Inbox, practice: Practice):
    call = Call(metadata_of(practice), id=("ж" * 164) + str(new_id()))
    assert inbox.receive(call.report(*TALK)).call_id == call.id
    (session,) = inbox.sessions(practice.org_id)
    assert session.vapi_call_id == call.id


@pytest.mark.parametrize(
    "path",
    [("call",), ("artifact",), ("artifact", "messages"), ("analysis",), ("call", "metadata")],
)
@pytest.mark.parametrize("junk", [None, True, -1, 1e308, "x", [], [[]], {"": {}}, [None, {}]])
def test_a_field_of_the_wrong_type_counts_as_absent(
    inbox: Inbox, practice: Practice, path: tuple[str, ...], junk: object
):
    report = Call(metadata_of(practice, practice.session())).report(*TALK)
    target = report["message"]
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = junk
    report["message"]["unique"] = str(new_id())
    assert inbox.receive(report).state in {"processed", "ignored"}


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "1" * 400, "1" * 5_000])
def test_numbers_beyond_reason(inbox: Inbox, practice: Practice, number: str):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    body = json.dumps(
        call.report(*TALK, cost="@", durationSeconds="@", startedAt="@", costs=[{"cost": "@"}])
    )
    event = inbox.receive(body.replace('"@"', number).encode())
    assert event.state == "processed"
    assert inbox.session(session_id).call_cost_microdollars is None


def test_the_content_type_does_not_matter(inbox: Inbox):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        inbox.take(Call().status("in-progress"), **{"Content-Type": kind})
