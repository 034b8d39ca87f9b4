"""Bodies: what is read tolerantly, what is refused, and that nothing breaks."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.kit.errors import BadRequest, DomainError, Invalid
from clozone.webhooks.body import DEEPEST_NESTING, read_message
from clozone.webhooks.envelope import UNKNOWN_TYPE, References, read_envelope

SESSION = "0199aa11-7c1e-7bb2-9f0e-5c2c2c9a1f01"


def message(text):
    return read_message(b'{"message":' + text + b"}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b'{"message":{"type":"hang"}',
        b'{"message":{"type":"hang"}} trailing',
        b"message=hang",
        b"\x00\x01\x02",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"message":' * 100_000,
    ],
)
def test_what_is_no_json_is_a_bad_request(body):
    with pytest.raises(BadRequest) as refused:
        read_message(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'"message"',
        b"7",
        b"{}",
        b'{"Message":{}}',
        b'{"message":null}',
        b'{"message":[1]}',
        b'{"message":"hang"}',
    ],
)
def test_json_without_a_message_is_not_vapis(body):
    with pytest.raises(Invalid) as refused:
        read_message(body)
    assert refused.value.status == 422
    assert "message" in refused.value.detail


def test_nesting_is_bounded():
    def nested(levels):
        return b"[" * levels + b"]" * levels

    inside = DEEPEST_NESTING - 2  # below the body and the message
    assert message(b'{"a":' + nested(inside) + b"}")["a"] == json.loads(nested(inside))
    with pytest.raises(BadRequest, match="levels"):
        message(b'{"a":' + nested(inside + 1) + b"}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"a\u0000b"', "ab"),
        (b'"a\x00b\x01c"', "ab\x01c"),
        (rb'"\ud83d cut"', " cut"),
        (rb'"\ud83d\ude00"', "😀"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b"NaN", None),
        (b"-Infinity", None),
        (b"1e999", None),
        (b"1" + b"0" * 400, None),
        (b"1" + b"0" * 30, 1e30),
        (b"9" * 5000, None),
        (b"123456789012345678", 123456789012345678),
        (b"0.1", 0.1),
    ],
)
def test_odd_values_are_made_storable(text, value):
    assert message(b'{"a":' + text + b"}") == {"a": value}


def test_a_byte_order_mark_is_no_matter():
    assert read_message(b'\xef\xbb\xbf{"message":{"type":"hang"}}') == {"type": "hang"}


def test_of_duplicate_keys_the_last_counts():
    assert message(b'{"type":"hang","type":"status-update"}') == {"type": "status-update"}


def test_keys_are_made_storable_too():
    assert message(rb'{"a\u0000\ud800":1}') == {"a": 1}


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_give_a_message_or_a_domain_error(body):
    try:
        read_message(body)
    except DomainError as refused:
        assert refused.status in (400, 422)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("\0\ud800"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_what_is_read_can_be_stored(content):
    read = read_message(json.dumps({"message": content}).encode())
    stored = json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    assert b"\\u0000" not in stored


def envelope(content):
    return read_envelope(json.dumps({"message": content}).encode())


def test_an_envelope_holds_key_and_routing():
    read = envelope({"type": "hang", "call": {"id": "c1", "metadata": {"session_id": SESSION}}})
    assert (read.message_type, read.call_id) == ("hang", "c1")
    assert read.references == References(session_id=UUID(SESSION))


@pytest.mark.parametrize(
    "content",
    [
        {"call": {"metadata": {"session_id": SESSION}}},
        {"call": {"assistantOverrides": {"metadata": {"session_id": SESSION}}}},
        {"call": {"metadata": {"sessionId": SESSION}}},
        {"call": {"metadata": {"session_id": f" {SESSION.upper()} "}}},
        {"call": {"metadata": "none", "assistantOverrides": {"metadata": {"session_id": SESSION}}}},
        {
            "call": {
                "metadata": {"session_id": "ts_123"},
                "assistantOverrides": {"metadata": {"session_id": SESSION}},
            }
        },
        {"assistant": {"metadata": {"session_id": SESSION}}},
    ],
)
def test_our_ids_are_found_wherever_they_came_back(content):
    assert envelope(content).references.session_id == UUID(SESSION)


@pytest.mark.parametrize("bad", ["ts_123", "", 7, None, [SESSION], {"id": SESSION}, True])
def test_what_is_no_uuid_counts_as_absent(bad):
    names = ("session_id", "org_id", "user_id", "template_id", "assignment_id")
    assert envelope({"call": {"metadata": dict.fromkeys(names, bad)}}).references == References()


@pytest.mark.parametrize(
    "call", [None, {}, {"id": None}, {"id": 7}, {"id": " "}, {"id": "x" * 201}, [], "c1"]
)
def test_the_call_id_may_be_missing(call):
    assert envelope({"type": "hang", "call": call}).call_id is None


@pytest.mark.parametrize("kind", [None, "", 7, [], {}, "\0"])
def test_a_message_without_a_type_is_of_unknown_type(kind):
    assert envelope({"type": kind}).message_type == UNKNOWN_TYPE


def test_a_type_nobody_knows_keeps_its_name():
    assert envelope({"type": "call.invented"}).message_type == "call.invented"
