"""A request for a chat completion, checked as strictly as the real API checks it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clozone.offline_model.errors import bad_request, not_found

# Tuples, because what is compared with them comes from outside and may not be hashable.
_ROLES = ("system", "developer", "user", "assistant", "tool")
_FORMATS = ("text", "json_object", "json_schema")
_READ = frozenset(
    {"model", "messages", "stream", "stream_options", "response_format", "n"}
    | {"max_tokens", "max_completion_tokens"}
)
# Accepted, and without effect on an answer that follows from rules.
_IGNORED = frozenset(
    {
        "temperature",
        "top_p",
        "seed",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "metadata",
        "store",
        "service_tier",
        "reasoning_effort",
        "verbosity",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "parallel_tool_calls",
    }
)
_UNSUPPORTED = frozenset(
    {
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "logprobs",
        "top_logprobs",
        "audio",
        "modalities",
        "prediction",
        "web_search_options",
    }
)


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A strict schema that the answer must fit."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked. `texts` are the messages' texts, in order; `max_tokens` None is no limit."""

    model: str
    roles: tuple[str, ...]
    texts: tuple[str, ...]
    format: str
    json_schema: JsonSchema | None
    max_tokens: int | None
    stream: bool
    include_usage: bool
    response_format: Mapping[str, Any]


def read_request(body: Any, models: Sequence[str]) -> ChatRequest:
    """Check a body. Raises ApiError: 400 for what cannot be read, 404 for an unknown model."""
    if not isinstance(body, dict):
        raise bad_request("We could not parse the JSON body of your request: expected an object.")
    _refuse_unknown(body)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("you must provide a model parameter", "model")
    if model not in models:
        raise not_found("model", model, "model_not_found")
    messages = _messages(body.get("messages"))
    stream = _boolean(body, "stream")
    return ChatRequest(
        model=model,
        roles=tuple(role for role, _ in messages),
        texts=tuple(text for _, text in messages),
        format=_format(body),
        json_schema=_json_schema(body),
        max_tokens=_max_tokens(body),
        stream=stream,
        include_usage=_include_usage(body, stream),
        response_format=body.get("response_format") or {},
    )


def _refuse_unknown(body: Mapping[str, Any]) -> None:
    for name in body:
        if name in _UNSUPPORTED and body[name]:
            raise bad_request(
                f"Unsupported parameter: '{name}' is not supported with this model.",
                name,
                "unsupported_parameter",
            )
        if name not in _READ | _IGNORED | _UNSUPPORTED:
            raise bad_request(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if body.get("n") not in (None, 1):
        raise bad_request("This model answers once: 'n' must be 1.", "n", "unsupported_value")


def _messages(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, list) or not value:
        raise bad_request("'messages' must be a list with at least one message.", "messages")
    return [_message(message, f"messages[{at}]") for at, message in enumerate(value)]


def _message(message: Any, path: str) -> tuple[str, str]:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise bad_request(f"A message needs a role: one of {', '.join(_ROLES)}.", f"{path}.role")
    content = message.get("content")
    if isinstance(content, str):
        return message["role"], content
    if isinstance(content, list):
        return message["role"], "".join(_part(part, path) for part in content)
    raise bad_request("A message's content is text or a list of parts.", f"{path}.content")


def _part(part: Any, path: str) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    raise bad_request("This model reads parts of type 'text' only.", f"{path}.content")


def _format(body: Mapping[str, Any]) -> str:
    value = body.get("response_format") or {"type": "text"}
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in _FORMATS:
        raise bad_request(
            "'response_format.type' must be text, json_object or json_schema.",
            "response_format.type",
        )
    return str(kind)


def _json_schema(body: Mapping[str, Any]) -> JsonSchema | None:
    if _format(body) != "json_schema":
        return None
    given = body["response_format"].get("json_schema")
    if not isinstance(given, dict) or not isinstance(given.get("schema"), dict):
        raise bad_request("Missing 'response_format.json_schema.schema'.", "response_format")
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise bad_request("Missing 'response_format.json_schema.name'.", "response_format")
    if given.get("strict") is not True:
        raise bad_request("This model answers strict schemas only.", "response_format")
    return JsonSchema(name, given["schema"])


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise bad_request(f"'{name}' must be a whole number of at least 1.", name)
        return value
    return None


def _boolean(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise bad_request(f"'{name}' must be true or false.", name)
    return bool(value)


def _include_usage(body: Mapping[str, Any], stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not stream:
        raise bad_request(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if not isinstance(options, dict):
        raise bad_request("'stream_options' must be an object.", "stream_options")
    return _boolean(options, "include_usage")
