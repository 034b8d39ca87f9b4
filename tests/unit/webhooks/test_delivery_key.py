"""The same thing said again has the same key; another thing another."""

import copy
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.webhooks.dedupe import delivery_key

EXAMPLE = json.loads(
    (Path(__file__).parents[2] / "data" / "vapi_end_of_call_report.example.json").read_text()
)["message"]


def key(message, call_id="c1", kind="end-of-call-report", **options):
    return delivery_key(kind, call_id, message, **options)


def changed(path, value):
    message = copy.deepcopy(EXAMPLE)
    target = message
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("timestamp",), 1795488999999),
        (("call", "updatedAt"), "2026-11-24T03:09:00.000Z"),
        (("artifact", "presignedMonoUrl"), "https://other.example/x?X-Amz-Signature=2"),
        (("artifact", "presignedStereoUrl"), "https://other.example/y?X-Amz-Expires=60"),
        (("artifact", "presignedUrlsExpiresAt"), "2026-11-24T09:00:00.000Z"),
        (("artifact", "recordingUrl"), "https://storage.vapi.ai/0199...-mono.wav?token=7"),
        (("artifact", "recording", "mono", "combinedUrl"), "https://elsewhere.example/mono.wav"),
        (("artifact", "logUrl"), "https://logs.example/2"),
    ],
)
def test_a_new_dress_keeps_the_key(path, value):
    assert key(changed(path, value)) == key(EXAMPLE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("endedReason",), "silence-timed-out"),
        (("call", "status"), "in-progress"),
        (("artifact", "transcript"), "AI: Hello."),
        (("artifact", "messages"), []),
        (("artifact", "presignedMonoUrl"), None),
        (("analysis", "summary"), "Another."),
        (("cost",), 0.5),
        (("endedAt",), "2026-11-24T03:05:13.000Z"),
    ],
)
def test_another_fact_is_another_key(path, value):
    assert key(changed(path, value)) != key(EXAMPLE)


def test_call_type_and_provider_are_part_of_the_key():
    keys = [
        key(EXAMPLE),
        key(EXAMPLE, call_id="c2"),
        key(EXAMPLE, call_id=None),
        key(EXAMPLE, call_id=""),
        key(EXAMPLE, kind="status-update"),
        key(EXAMPLE, provider="other"),
    ]
    assert len(set(keys)) == len(keys)


def test_parts_do_not_run_into_each_other():
    assert delivery_key("ab", "c", {}) != delivery_key("a", "bc", {})


def test_signed_queries_are_left_out_of_any_address():
    def with_file(address):
        return key({"artifact": {"structuredOutputs": {"file": address}}})

    assert with_file("https://s3.example/a.pdf?sig=1") == with_file(
        "https://s3.example/a.pdf?sig=2#x"
    )
    assert with_file("https://s3.example/a.pdf?sig=1") != with_file(
        "https://s3.example/b.pdf?sig=1"
    )
    assert with_file("see https://a.example?x=1") != with_file("see https://a.example?x=2")
    assert with_file("https://[broken?x=1") != with_file("https://[broken?x=2")


def test_the_same_number_written_otherwise_keeps_the_key():
    assert key({"cost": 5}) == key({"cost": 5.0})
    assert key({"cost": True}) != key({"cost": 1})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)
messages = st.dictionaries(st.text(max_size=8), json_values, max_size=6)


def shuffled(value, rng):
    if isinstance(value, dict):
        items = [(name, shuffled(item, rng)) for name, item in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@given(messages, st.integers(0, 2**32))
def test_the_order_of_keys_is_no_matter(message, seed):
    assert key(shuffled(message, random.Random(seed))) == key(message)


@given(messages, messages, st.integers())
def test_time_of_delivery_and_addresses_are_no_matter(message, other, timestamp):
    dressed = {**message, "timestamp": timestamp, "artifact": {"presignedMonoUrl": "https://a/1"}}
    again = {**message, "timestamp": timestamp + 1, "artifact": {"presignedMonoUrl": "https://b/2"}}
    assert key(dressed) == key(again)
    assert key({**dressed, "status": "ended"}) != key({**dressed, "status": "queued"})


def test_the_order_of_what_was_said_matters():
    said = EXAMPLE["artifact"]["messages"]
    assert key(changed(("artifact", "messages"), said[::-1])) != key(EXAMPLE)


def test_nesting_without_end_is_no_harm():
    deep = {}
    for _ in range(5000):
        deep = {"a": deep}
    assert len(key(deep)) == 64
