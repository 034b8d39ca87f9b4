"""The text of an answer, before it is put on the wire. The same request gets the same text."""

import hashlib
import json
from typing import Any

from clozone.offline_model.chat_request import ChatRequest, JsonSchema
from clozone.offline_model.errors import bad_request
from clozone.offline_model.rules.evidence import SCHEMA_NAME, evidence
from clozone.offline_model.rules.prompt_reader import UnreadablePrompt
from clozone.offline_model.settings import MODEL
from clozone.offline_model.strict_schema import refuse_unless_strict, smallest_instance


def answer_value(request: ChatRequest) -> dict[str, Any] | str:
    """What is answered: evidence, the smallest instance of another schema, or a short text.

    Raises ApiError for a schema that is not strict and for a prompt that holds no call.
    """
    if request.json_schema is not None:
        return _structured(request, request.json_schema)
    count = len(request.texts)
    note = (
        f"I am {MODEL}, a set of fixed rules and not a language model. I look for evidence in "
        f"practice calls; to this request ({count} messages) I have nothing to say."
    )
    return {"note": note} if request.format == "json_object" else note


def as_text(value: dict[str, Any] | str) -> str:
    """The content of the message."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def prompt_text(request: ChatRequest) -> str:
    """What the prompt's tokens are counted of: the answer's form first, then every message."""
    form = _canonical(request.response_format) if request.response_format else ""
    messages = zip(request.roles, request.texts, strict=True)
    return form + "".join(f"\n{role}\n{text}" for role, text in messages)


def content_hash(request: ChatRequest) -> str:
    """SHA-256 (hex) of what decides the answer: model, messages and the answer's form."""
    decisive = [request.model, request.roles, request.texts, request.response_format]
    return hashlib.sha256(_canonical([*decisive, request.max_tokens]).encode()).hexdigest()


def _structured(request: ChatRequest, wanted: JsonSchema) -> dict[str, Any]:
    try:
        refuse_unless_strict(wanted.name, wanted.schema)
        if wanted.name == SCHEMA_NAME:
            return evidence(request.texts)
        instance: dict[str, Any] = smallest_instance(wanted.schema)
    except UnreadablePrompt as error:
        raise bad_request(f"{MODEL} cannot read this prompt: {error}.", "messages") from error
    except (AttributeError, TypeError, IndexError) as error:
        message = f"The schema '{wanted.name}' is malformed."
        raise bad_request(message, "response_format", "invalid_json_schema") from error
    return instance


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
