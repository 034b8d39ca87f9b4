"""What is asked of a model, and what comes back."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from clozone.settings import Settings


@dataclass(frozen=True, slots=True)
class LlmRequest:
    """One question. `purpose` says what for, in the account book; the ids say for whom."""

    org_id: UUID
    purpose: str
    messages: Sequence[dict[str, Any]]
    response_format: dict[str, Any]
    session_id: UUID | None = None
    job_id: UUID | None = None

    def cache_key(self, settings: Settings) -> bytes:
        """SHA-256 over everything that decides the answer."""
        content = {
            "model": settings.llm_model,
            "max_output_tokens": settings.llm_max_output_tokens,
            "messages": list(self.messages),
            "response_format": self.response_format,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).digest()

    def most_prompt_tokens(self) -> int:
        """An upper bound of the tokens of the question: a reservation must not be below the bill.

        Byte-level tokenisers never make more tokens than there are bytes; the braces and names of
        the JSON outweigh what a provider adds to each message.
        """
        asked = json.dumps([*self.messages, self.response_format], ensure_ascii=False)
        return len(asked.encode())


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `cached` are among `prompt`, `reasoning` among `completion`."""

    prompt: int
    cached: int
    completion: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What the provider answered, and the model that it says it used.

    `usage` is None if the provider did not tell. `problem` is why the answer cannot be used, though
    it was paid for.
    """

    content: str
    model: str
    usage: Usage | None
    latency_ms: float
    problem: Exception | None = None


@dataclass(frozen=True, slots=True)
class LlmAnswer:
    """An answer on record. `cached` ones were paid for earlier."""

    content: str
    model: str
    call_id: UUID
    cached: bool
