"""One call, from its body to the answer: checks, faults, rules, token counts."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any, Literal

from clozone.kit.clock import now
from clozone.offline_model.answer import answer_value, as_text, content_hash, prompt_text
from clozone.offline_model.chat_request import ChatRequest, read_request
from clozone.offline_model.errors import ApiError
from clozone.offline_model.faults import CHAT_KINDS, Fault, FaultPlan
from clozone.offline_model.settings import OfflineModelSettings
from clozone.offline_model.stats import Stats
from clozone.offline_model.tampering import jittered, with_invented_quote
from clozone.offline_model.tokens import PrefixCache, count_tokens, cut_to_tokens

REFUSAL = "I'm sorry, I can't help with that request."
HANG_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer. `refusal` replaces the content; `pause` is for between streamed pieces, seconds."""

    id: str
    created: int
    request: ChatRequest
    content: str | None
    refusal: str | None
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    pause: float


class Completions:
    """Answers calls one by one and keeps what must be remembered between them."""

    def __init__(self, settings: OfflineModelSettings, plan: FaultPlan, stats: Stats) -> None:
        self._settings = settings
        self._plan = plan
        self._stats = stats
        self._prefixes = PrefixCache()

    async def complete(self, body: Any, own_faults: Sequence[Fault] = ()) -> Completion:
        """Answer a body. `own_faults` hit this call alone. Raises ApiError."""
        self._stats.received += 1
        faults = {f.kind: f for f in (*self._plan.take(CHAT_KINDS), *own_faults)}
        try:
            request = read_request(body, self._settings.models)
            self._stats.count_question(content_hash(request))
            await _fail_or_wait(faults)
            value = await asyncio.to_thread(answer_value, request)
        except ApiError as error:
            self._stats.failed[error.body["error"]["code"] or "invalid_request"] += 1
            raise
        return self._charged(request, value, faults)

    def _charged(
        self, request: ChatRequest, value: dict[str, Any] | str, faults: dict[str, Fault]
    ) -> Completion:
        identity = content_hash(request)
        if isinstance(value, dict) and "criteria" in value:
            value = _tampered(value, faults, f"{identity}:{self._stats.answered[identity]}")
        whole = as_text(value)
        text = REFUSAL if "refusal" in faults else whole
        text, finish_reason = _cut(text, request.max_tokens, faults)
        prompt = prompt_text(request)
        completion = Completion(
            id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(now().timestamp()),
            request=request,
            content=None if "refusal" in faults else text,
            refusal=text if "refusal" in faults else None,
            finish_reason=finish_reason,
            prompt_tokens=count_tokens(prompt),
            cached_tokens=self._prefixes.cached_tokens(prompt),
            completion_tokens=count_tokens(text),
            pause=faults["slow_stream"].seconds_or(0.05) if "slow_stream" in faults else 0.0,
        )
        self._stats.count_answer(
            identity,
            whole,
            prompt=completion.prompt_tokens,
            cached=completion.cached_tokens,
            completion=completion.completion_tokens,
        )
        return completion


async def _fail_or_wait(faults: dict[str, Fault]) -> None:
    if "latency" in faults:
        await asyncio.sleep(faults["latency"].seconds_or(1.0))
    if "timeout" in faults:
        await asyncio.sleep(faults["timeout"].seconds_or(HANG_SECONDS))
    if "rate_limit" in faults:
        wait = faults["rate_limit"].seconds_or(1.0)
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Rate limit reached. Please try again in {wait} s.",
            kind="requests",
            code="rate_limit_exceeded",
            headers={"retry-after": str(ceil(wait)), "retry-after-ms": str(ceil(wait * 1000))},
        )
    if "insufficient_quota" in faults:
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "You exceeded your current quota, please check your plan and billing details.",
            kind="insufficient_quota",
            code="insufficient_quota",
        )
    if "server_error" in faults:
        raise ApiError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "The server had an error while processing your request. Sorry about that!",
            kind="server_error",
            code="server_error",
        )


def _tampered(value: dict[str, Any], faults: dict[str, Fault], seed: str) -> dict[str, Any]:
    if "jitter" in faults:
        fault = faults["jitter"]
        value = jittered(value, f"{fault.seed}:{seed}", fault.rate)
    if "invented_quote" in faults:
        value = with_invented_quote(value)
    return value


def _cut(
    text: str, max_tokens: int | None, faults: dict[str, Fault]
) -> tuple[str, Literal["stop", "length"]]:
    tokens = count_tokens(text)
    if "invalid_json" in faults:
        return cut_to_tokens(text, tokens // 2), "stop"
    limit = tokens if max_tokens is None else max_tokens
    if "truncated" in faults:
        limit = min(limit, tokens // 2)
    return (cut_to_tokens(text, limit), "length") if limit < tokens else (text, "stop")
