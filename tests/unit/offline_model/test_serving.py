"""The parts of the server that need no server."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.offline_model.answer import content_hash
from clozone.offline_model.batch_lines import InvalidBatch, read_lines
from clozone.offline_model.chat_request import read_request
from clozone.offline_model.errors import ApiError
from clozone.offline_model.faults import CHAT_KINDS, FaultPlan, read_fault_header, read_faults
from clozone.offline_model.strict_schema import refuse_unless_strict, smallest_instance
from clozone.offline_model.tampering import jittered, with_invented_quote
from clozone.offline_model.tokens import PrefixCache, count_tokens, cut_to_tokens

MODEL = "clozone-offline-1"
HELLO = [{"role": "user", "content": "hello"}]


def body(**changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": HELLO} | changes


def refused(given: Any) -> dict[str, Any]:
    with pytest.raises(ApiError) as error:
        read_request(given, [MODEL])
    return {"status": error.value.status} | error.value.body["error"]


@pytest.mark.parametrize(
    ("given", "status", "param"),
    [
        ([], 400, None),
        ({}, 400, "model"),
        (body(model="gpt-5"), 404, None),
        (body(messages=[]), 400, "messages"),
        (body(messages=["hello"]), 400, "messages[0].role"),
        (body(messages=[{"role": [], "content": "x"}]), 400, "messages[0].role"),
        (body(messages=[{"role": "user"}]), 400, "messages[0].content"),
        (
            body(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
            400,
            "messages[0].content",
        ),
        (body(n=2), 400, "n"),
        (body(n=[]), 400, "n"),
        (body(stream="yes"), 400, "stream"),
        (body(stream_options={"include_usage": True}), 400, "stream_options"),
        (body(max_tokens=0), 400, "max_tokens"),
        (body(max_completion_tokens=True), 400, "max_completion_tokens"),
        (body(tools=[{"type": "function"}]), 400, "tools"),
        (body(temprature=0), 400, "temprature"),
        (body(response_format="json"), 400, "response_format.type"),
        (body(response_format={"type": "json_schema"}), 400, "response_format"),
        (
            body(
                response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
            ),
            400,
            "response_format",
        ),
    ],
)
def test_bodies_are_refused_with_the_field(given: Any, status: int, param: str | None) -> None:
    answer = refused(given)
    assert (answer["status"], answer["param"]) == (status, param)
    assert answer["message"]


def test_parameters_that_change_nothing_are_accepted_and_do_not_change_the_hash() -> None:
    plain = read_request(body(), [MODEL])
    dressed = read_request(body(temperature=0, seed=7, prompt_cache_key="k", user="u"), [MODEL])
    assert content_hash(plain) == content_hash(dressed)


def test_parts_of_text_read_as_one_text() -> None:
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    request = read_request(body(messages=[{"role": "user", "content": parts}]), [MODEL])
    assert content_hash(request) == content_hash(read_request(body(), [MODEL]))


@pytest.mark.parametrize("change", [{"role": "system"}, {"content": "hello "}])
def test_another_message_is_another_content(change: dict[str, str]) -> None:
    other = read_request(body(messages=[HELLO[0] | change]), [MODEL])
    assert content_hash(other) != content_hash(read_request(body(), [MODEL]))


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("预算", 2)])
def test_a_token_is_four_bytes(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@given(st.text(), st.integers(0, 20))
def test_a_cut_text_is_a_beginning_within_the_limit(text: str, limit: int) -> None:
    cut = cut_to_tokens(text, limit)
    assert text.startswith(cut)
    assert count_tokens(cut) <= limit


def test_a_prefix_is_cached_from_1024_tokens_in_steps_of_128() -> None:
    cache = PrefixCache()
    shared = "a" * 4 * 1024
    assert cache.cached_tokens(shared) == 0
    assert cache.cached_tokens(shared) == 1024
    assert cache.cached_tokens(shared + "b" * 4 * 127) == 1024
    assert cache.cached_tokens(shared + "b" * 4 * 200) == 1024
    assert cache.cached_tokens(shared + "b" * 4 * 300) == 1024 + 128
    assert cache.cached_tokens("b" + shared) == 0
    assert cache.cached_tokens("a" * 4 * 1023) == 0


def test_the_oldest_prefixes_are_forgotten() -> None:
    cache = PrefixCache(capacity=1)
    first, second = "a" * 4096, "b" * 4096
    assert [cache.cached_tokens(t) for t in (first, second, first, first)] == [0, 0, 0, 1024]


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["a", "b", "c", "d", "e", "f"],
    "properties": {
        "a": {"type": "string", "minLength": 3},
        "b": {"type": "array", "items": {"$ref": "#/$defs/node"}, "minItems": 2},
        "c": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "d": {"type": ["number", "null"]},
        "e": {"enum": ["x", "y"]},
        "f": {"type": "string", "format": "date-time"},
    },
    "$defs": {
        "node": {
            "type": "object",
            "additionalProperties": False,
            "required": ["next", "n"],
            "properties": {
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "n": {"type": "boolean"},
            },
        }
    },
}


def test_the_smallest_instance_validates() -> None:
    refuse_unless_strict("x", SCHEMA)
    jsonschema.validate(smallest_instance(SCHEMA), SCHEMA)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "minimum": st.integers(-9, 9),
            "exclusiveMinimum": st.integers(-9, 9),
        },
    ),
    st.integers(11, 20),
    st.booleans(),
)
def test_the_smallest_number_is_within_its_bounds(
    bounds: dict[str, int], most: int, above: bool
) -> None:
    if len(bounds) == 2:
        del bounds["exclusiveMinimum"]
    schema = {"type": "integer"} | bounds | ({"maximum": most} if above else {})
    jsonschema.validate(smallest_instance(schema), schema)


@pytest.mark.parametrize("most", [{"maximum": -3}, {"exclusiveMaximum": -3}, {"maximum": 3}])
def test_the_smallest_number_obeys_an_upper_bound(most: dict[str, int]) -> None:
    schema = {"type": "integer"} | most
    jsonschema.validate(smallest_instance(schema), schema)


@pytest.mark.parametrize(
    "change",
    [{"additionalProperties": True}, {"required": ["a"]}, {"type": "array"}],
)
def test_a_schema_that_is_not_strict_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as error:
        refuse_unless_strict("x", SCHEMA | change)
    assert error.value.body["error"]["code"] == "invalid_json_schema"


def test_a_nested_object_must_be_strict_too() -> None:
    loose = {"type": "object", "properties": {}, "required": []}
    properties = SCHEMA["properties"] | {"a": {"type": "array", "items": loose}}
    with pytest.raises(ApiError, match="items"):
        refuse_unless_strict("x", SCHEMA | {"properties": properties})


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ApiError, match="pattern"):
        smallest_instance({"type": "string", "pattern": "^a"})
    endless = {"$ref": "#"}
    with pytest.raises(ApiError, match="without end"):
        smallest_instance(endless)


def kinds_taken(plan: FaultPlan, calls: int) -> list[list[str]]:
    return [[fault.kind for fault in plan.take(CHAT_KINDS)] for _ in range(calls)]


def test_faults_hit_always_the_next_few_or_every_nth_call() -> None:
    plan = FaultPlan()
    plan.switch_to(
        read_faults(
            [
                {"kind": "latency", "seconds": 0},
                {"kind": "refusal", "next": 2},
                {"kind": "server_error", "every": 3},
            ]
        )
    )
    assert kinds_taken(plan, 4) == [
        ["latency", "refusal"],
        ["latency", "refusal"],
        ["latency", "server_error"],
        ["latency"],
    ]
    plan.switch_to([])
    assert kinds_taken(plan, 1) == [[]]


def test_a_fault_of_batches_is_left_for_a_batch() -> None:
    plan = FaultPlan()
    plan.switch_to(read_faults([{"kind": "batch_expired", "next": 1}]))
    assert kinds_taken(plan, 2) == [[], []]
    assert [fault.kind for fault in plan.take(frozenset({"batch_expired"}))] == ["batch_expired"]


def test_a_header_says_the_same_as_the_json() -> None:
    assert read_fault_header("latency;seconds=0.5, jitter ; seed=3;rate=1") == read_faults(
        [{"kind": "latency", "seconds": 0.5}, {"kind": "jitter", "seed": 3, "rate": 1}]
    )
    assert read_fault_header(None) == []


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "earthquake"},
        {"kind": []},
        {"kind": "latency", "seconds": "1"},
        {"kind": "latency", "seconds": -1},
        {"kind": "refusal", "next": 0},
        {"kind": "refusal", "every": 1.5},
        {"kind": "refusal", "colour": 1},
        {"kind": "refusal", "next": True},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        read_faults([fault])


EVIDENCE: dict[str, Any] = {
    "criteria": [
        {
            "key": f"c{n}",
            "level": 5,
            "findings": [{"item": "i", "observed": True, "quotes": [{"turn": 0, "text": "x"}]}],
        }
        for n in range(40)
    ]
}


def test_jitter_is_the_same_for_a_seed_and_never_invents() -> None:
    once = jittered(EVIDENCE, "seed", 0.3)
    assert once == jittered(EVIDENCE, "seed", 0.3)
    assert once != jittered(EVIDENCE, "other", 0.3)
    assert jittered(EVIDENCE, "seed", 0) == EVIDENCE
    changed = [
        (a, b) for a, b in zip(EVIDENCE["criteria"], once["criteria"], strict=True) if a != b
    ]
    assert 0 < len(changed) < 40
    for before, after in changed:
        assert abs(before["level"] - after["level"]) <= 1
        [finding] = after["findings"]
        assert finding["observed"] == bool(finding["quotes"])


def test_an_invented_quote_replaces_those_of_one_finding() -> None:
    changed = with_invented_quote(EVIDENCE)
    quotes = [c["findings"][0]["quotes"][0]["text"] for c in changed["criteria"]]
    assert quotes[0] != "x"
    assert quotes[1:] == ["x"] * 39


LINE = '{"custom_id":"%s","method":"POST","url":"/v1/x","body":{}}'


def test_the_lines_of_a_batch_are_read() -> None:
    content = f"{LINE % 'a'}\n\n{LINE % 'b'}".encode()
    assert [line.custom_id for line in read_lines(content, "/v1/x")] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "line", "code"),
    [
        ("", None, "empty_file"),
        (f"{LINE % 'a'}\nnot json", 2, "invalid_request"),
        (f"{LINE % 'a'}\n{LINE % 'a'}", 2, "duplicate_custom_id"),
        ("[]", 1, "invalid_request"),
        (LINE % "", 1, "invalid_request"),
        ((LINE % "a").replace("/v1/x", "/v1/y"), 1, "invalid_request"),
        ((LINE % "a").replace("{}", '{"stream":true}'), 1, "invalid_request"),
    ],
)
def test_one_bad_line_fails_the_batch(content: str, line: int | None, code: str) -> None:
    with pytest.raises(InvalidBatch) as invalid:
        read_lines(content.encode(), "/v1/x")
    assert [(p["line"], p["code"]) for p in invalid.value.problems] == [(line, code)]
