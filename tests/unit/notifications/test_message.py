"""What a message says, and what is kept of an answer."""

import json
from datetime import UTC, datetime, timedelta

from clozone.kit.ids import new_id
from clozone.notifications.events import message_body, message_id
from clozone.notifications.sender import KEPT_CHARACTERS, cleaned


def test_a_message_has_type_time_and_data():
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    origin = new_id()

    body = json.loads(message_body(origin, "session.graded", {"score": 71}, "https://x.example"))

    assert set(body) == {"type", "timestamp", "data"}
    assert (body["type"], body["data"]) == ("session.graded", {"score": 71})
    assert body["timestamp"].endswith("Z")
    assert before <= datetime.fromisoformat(body["timestamp"]) <= datetime.now(UTC)


def test_a_path_becomes_an_address_of_the_installation():
    for public_url in ("https://x.example", "https://x.example/"):
        body = json.loads(message_body(new_id(), "a.b", {"url": "/api/sessions/1"}, public_url))
        assert body["data"]["url"] == "https://x.example/api/sessions/1"


def test_the_same_origin_gives_the_same_message():
    origin = new_id()
    bodies = {message_body(origin, "a.b", {"n": 1}, "https://x.example") for _ in range(3)}

    assert len(bodies) == 1
    assert message_id(origin) == f"msg_{origin.hex}"
    assert "." not in message_id(origin)  # it would make signatures ambiguous


def test_of_an_answer_the_first_characters_are_kept_without_control_characters():
    assert cleaned("grüße\n".encode()) == "grüße\n"
    assert cleaned(b"a\x00b\x1b[31mc\x7f\xff") == "a b [31mc \ufffd"
    assert cleaned(b"x" * 2_000) == "x" * KEPT_CHARACTERS
