"""Answers as the JSON, and as the server-sent events, of the chat completions API."""

import json
from collections.abc import Iterator
from typing import Any

from clozone.offline_model.completions import Completion
from clozone.offline_model.settings import MODEL

LETTERS_PER_PIECE = 48


def completion_json(completion: Completion) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    return _frame(completion, "chat.completion") | {
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": completion.content,
                    "refusal": completion.refusal,
                },
                "finish_reason": completion.finish_reason,
                "logprobs": None,
            }
        ],
        "usage": usage_json(completion),
    }


def events(completion: Completion) -> Iterator[str]:
    """The answer piece by piece; the usage comes last when it was asked for."""
    usage = {"usage": None} if completion.request.include_usage else {}
    frame = _frame(completion, "chat.completion.chunk") | usage
    field = "content" if completion.refusal is None else "refusal"
    text = completion.content if completion.refusal is None else completion.refusal
    deltas: list[dict[str, Any]] = [{"role": "assistant", field: ""}]
    deltas += [{field: piece} for piece in _pieces(text or "")]
    for delta in deltas:
        yield _event(frame | {"choices": [_choice(delta, None)]})
    yield _event(frame | {"choices": [_choice({}, completion.finish_reason)]})
    if completion.request.include_usage:
        yield _event(frame | {"choices": [], "usage": usage_json(completion)})
    yield "data: [DONE]\n\n"


def usage_json(completion: Completion) -> dict[str, Any]:
    """Token counts, as far as the rules of this model have any."""
    return {
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "total_tokens": completion.prompt_tokens + completion.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": completion.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _frame(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": MODEL,
        "system_fingerprint": MODEL,
    }


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), LETTERS_PER_PIECE):
        yield text[start : start + LETTERS_PER_PIECE]


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"
