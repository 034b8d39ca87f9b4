"""Chat completions through the real client: plain, structured, streamed, refused."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import openai
import pytest
from openai import OpenAI

from clozone.grading.evidence import parse

MODEL = "clozone-offline-1"


def test_the_model_is_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "clozone"


def test_plain_chat_says_what_it_is(client: OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "Who are you?"}]}
    answer = client.chat.completions.create(**asked)
    again = client.chat.completions.create(**asked)
    text = answer.choices[0].message.content
    assert text is not None
    assert f"I am {MODEL}" in text
    assert "not a language model" in text
    assert again.choices[0].message.content == text
    assert answer.model == MODEL
    assert answer.choices[0].finish_reason == "stop"


def test_evidence_fits_the_schema_and_is_the_same_each_time(
    client: OpenAI, call: dict[str, Any]
) -> None:
    texts = [
        client.chat.completions.create(**call).choices[0].message.content or "" for _ in range(3)
    ]
    assert len(set(texts)) == 1
    jsonschema.validate(json.loads(texts[0]), call["response_format"]["json_schema"]["schema"])
    found = parse(texts[0])
    assert [f.observed for c in found.criteria for f in c.findings] == [True, True, True]
    assert found.criteria[1].level == 8


def test_usage_counts_the_cached_prefix(client: OpenAI, call: dict[str, Any]) -> None:
    # A beginning that no other test has sent.
    call = json.loads(json.dumps(call))
    call["messages"][0]["content"] = "Fresh. " + call["messages"][0]["content"]
    first = client.chat.completions.create(**call).usage
    second = client.chat.completions.create(**call).usage
    assert first is not None
    assert second is not None
    assert first.prompt_tokens_details is not None
    assert second.prompt_tokens_details is not None
    cached = second.prompt_tokens_details.cached_tokens
    assert cached is not None
    assert first.prompt_tokens_details.cached_tokens in {0, None}
    assert 1024 <= cached <= second.prompt_tokens
    assert (cached - 1024) % 128 == 0
    assert first.total_tokens == first.prompt_tokens + first.completion_tokens
    assert first.prompt_tokens == second.prompt_tokens


def test_a_streamed_answer_is_the_same_in_pieces(client: OpenAI, call: dict[str, Any]) -> None:
    whole = client.chat.completions.create(**call)
    chunks = list(
        client.chat.completions.create(**call, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 5
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert {chunk.model for chunk in chunks} == {MODEL}


def test_a_stream_tells_no_usage_unasked(client: OpenAI, call: dict[str, Any]) -> None:
    chunks = list(client.chat.completions.create(**call, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_another_schema_gets_its_smallest_instance(client: OpenAI, call: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["title", "tags"],
        "properties": {
            "title": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
    }
    answer = client.chat.completions.create(
        model=MODEL,
        messages=call["messages"],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "page", "strict": True, "schema": schema},
        },
    )
    jsonschema.validate(json.loads(answer.choices[0].message.content or ""), schema)


def test_an_answer_is_cut_at_the_token_limit(client: OpenAI, call: dict[str, Any]) -> None:
    answer = client.chat.completions.create(**call, max_completion_tokens=10)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 10


def test_an_unknown_model_is_404(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        client.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": "x"}])
    assert refusal.value.code == "model_not_found"


def test_a_schema_that_is_not_strict_is_400(client: OpenAI, call: dict[str, Any]) -> None:
    loose = json.loads(json.dumps(call["response_format"]))
    del loose["json_schema"]["schema"]["additionalProperties"]
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(**(call | {"response_format": loose}))
    assert refusal.value.code == "invalid_json_schema"


def test_evidence_about_no_call_is_400(client: OpenAI, call: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError, match="<rubric>"):
        client.chat.completions.create(**(call | {"messages": [{"role": "user", "content": "x"}]}))


def test_a_missing_key_is_401(server: Any) -> None:
    status, body = server.control("GET", "/v1/models")
    assert status == 401
    assert set(body["error"]) == {"message", "type", "code", "param"}


def test_a_wrong_key_is_401_where_one_is_set(another_server: Callable[..., Any]) -> None:
    server = another_server("--api-key", "right", "--alias", "gpt-next")
    with pytest.raises(openai.AuthenticationError) as refusal:
        server.client(api_key="wrong").models.list()
    assert refusal.value.code == "invalid_api_key"
    client = server.client(api_key="right")
    assert [model.id for model in client.models.list()] == [MODEL, "gpt-next"]
    hello: Any = [{"role": "user", "content": "x"}]
    assert client.chat.completions.create(model="gpt-next", messages=hello).model == MODEL


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 401), ("GET", "/nothing", 404), ("DELETE", "/_control", 405)],
)
def test_errors_of_routing_have_the_same_form(
    server: Any, method: str, path: str, status: int
) -> None:
    answered, body = server.control(method, path)
    assert answered == status
    assert set(body["error"]) == {"message", "type", "code", "param"}


@pytest.mark.parametrize("body", [b"", b"{", b'"\\ud800"', b"[" * 100_000, b"\x00"])
def test_a_body_that_is_no_json_is_400(server: Any, body: bytes) -> None:
    client = server.client()
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", cast_to=object, content=body)


def test_what_was_asked_and_not_answered_is_told_by_content(
    server: Any, client: OpenAI, call: dict[str, Any]
) -> None:
    server.switch({"kind": "server_error", "next": 1})
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**call)
    answer = client.chat.completions.create(**call).choices[0].message.content
    stats = server.stats()
    (content,) = stats["asked_by_content"]
    assert stats["asked_by_content"] == {content: 2}
    assert stats["answered_by_content"] == {content: 1}
    assert answer is not None
    digest = hashlib.sha256(answer.encode()).hexdigest()
    assert stats["answer_sha256_by_content"] == {content: digest}


def test_answers_are_counted_by_content(server: Any, client: OpenAI, call: dict[str, Any]) -> None:
    for seed in (1, 2):
        client.chat.completions.create(**call, seed=seed)
    hello: Any = [{"role": "user", "content": "x"}]
    client.chat.completions.create(model=MODEL, messages=hello)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-x", messages=hello)
    stats = server.stats()
    assert sorted(stats["answered_by_content"].values()) == [1, 2]
    assert stats["asked_by_content"] == stats["answered_by_content"]
    assert stats["received"] == 4
    assert stats["answered"] == 3
    assert stats["failed"] == {"model_not_found": 1}
    assert stats["tokens"]["prompt"] > stats["tokens"]["completion"] > 0
