"""The model's HTTP API. The only file that imports openai.

The SDK's own retries look at the status alone and repeat what can never succeed, such as a used-up
quota; so they are off, and every failure becomes one of `llm.errors`, which says what to do.
"""

import json
import math
import time
from collections.abc import Callable
from typing import Any, cast

import httpx2
import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema

from clozone.infra.answer_deadline import ending_after
from clozone.llm.errors import ModelBusy, ModelRefused, UnusableAnswer
from clozone.llm.request import LlmRequest, RawAnswer, Usage
from clozone.settings import Settings

CONNECT_SECONDS = 5.0
LONGEST_RETRY_AFTER_SECONDS = 86_400.0

# Refusals that waiting does not mend, by the API's `code` or `type`.
_QUOTA = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"}
)
_UNAUTHORIZED, _PAYMENT_REQUIRED, _FORBIDDEN = 401, 402, 403
_TOO_EARLY, _TOO_MANY = 408, 429
# The request never left: nobody can have been billed for it.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

OnDelta = Callable[[str], None]


class ModelClient:
    """One connection pool to one provider; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        key = settings.openai_api_key
        self._settings = settings
        seconds = settings.llm_timeout_seconds
        self._client = openai.OpenAI(
            api_key=key.get_secret_value() if key else "none",
            base_url=settings.openai_base_url,
            timeout=openai.Timeout(seconds, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            max_retries=0,
            http_client=openai.DefaultHttpxClient(event_hooks=ending_after(seconds)),
        )

    def ask(self, request: LlmRequest, on_delta: OnDelta | None = None) -> RawAnswer:
        """The whole answer; with `on_delta`, pieces of it are passed on as they arrive.

        Raises ModelBusy or ModelRefused when there is no answer. One that was cut off or declined is
        returned with its `problem`, because it was paid for.
        """
        began = time.monotonic()
        try:
            answer = _StreamedAnswer()
            # Always streamed: it is the one way that serves both a job and a person who waits.
            stream = self._client.chat.completions.create(
                model=self._settings.llm_model,
                messages=cast(list[ChatCompletionMessageParam], list(request.messages)),
                response_format=cast(ResponseFormatJSONSchema, request.response_format),
                max_completion_tokens=self._settings.llm_max_output_tokens,
                stream=True,
                stream_options={"include_usage": True},
            )
            with stream:
                for chunk in stream:
                    delta = answer.take(chunk)
                    if delta and on_delta is not None:
                        on_delta(delta)
        except openai.APIError as error:
            raise _explained(error) from error
        except ValueError as error:
            # What the SDK's reader raises about a piece that is no JSON.
            sentence = "the stream cannot be read"
            raise ModelBusy("interrupted", sentence, perhaps_billed=True) from error
        return answer.finished((time.monotonic() - began) * 1000)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _StreamedAnswer:
    """An answer put together from its chunks, and what is wrong with it."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._refused = False
        self._finish_reason: str | None = None
        self._model = ""
        self._usage: CompletionUsage | None = None

    def take(self, chunk: ChatCompletionChunk) -> str | None:
        """Add a chunk; the piece of content in it, if any."""
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        if not chunk.choices:
            return None
        choice = chunk.choices[0]
        self._finish_reason = choice.finish_reason or self._finish_reason
        self._refused = self._refused or bool(choice.delta.refusal)
        if choice.delta.content:
            self._content.append(choice.delta.content)
        return choice.delta.content

    def finished(self, latency_ms: float) -> RawAnswer:
        """The whole answer: also a useless one has to be accounted for."""
        content = "".join(self._content)
        return RawAnswer(
            content, self._model, _usage(self._usage), latency_ms, self._problem(content)
        )

    def _problem(self, content: str) -> ModelRefused | UnusableAnswer | None:
        if self._refused:
            return ModelRefused("refusal", "the model declined to answer")
        if self._finish_reason == "content_filter":
            return ModelRefused("refusal", "the provider's content filter withheld the answer")
        if self._finish_reason == "length":
            return UnusableAnswer("truncated", "the answer was cut off at the token limit")
        if self._finish_reason is None:
            return UnusableAnswer("interrupted", "the stream ended before the answer did")
        try:
            json.loads(content)
        except (ValueError, RecursionError):
            return UnusableAnswer("invalid_json", "the answer is not JSON")
        return None


def _usage(usage: CompletionUsage | None) -> Usage | None:
    # The SDK checks nothing, and not every compatible server tells figures that can be right.
    if usage is None or not (_is_count(usage.prompt_tokens) and _is_count(usage.completion_tokens)):
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = (prompt.cached_tokens or 0) if prompt else 0
    return Usage(
        prompt=usage.prompt_tokens,
        cached=min(max(cached, 0), usage.prompt_tokens),
        completion=usage.completion_tokens,
        reasoning=(completion.reasoning_tokens or 0) if completion else 0,
    )


def _is_count(figure: object) -> bool:
    return isinstance(figure, int) and figure >= 0


def _explained(error: openai.APIError) -> Exception:
    if isinstance(error, openai.APIConnectionError):
        timed_out = isinstance(error, openai.APITimeoutError)
        return ModelBusy(
            "timeout" if timed_out else "unreachable",
            "the model did not answer in time" if timed_out else "the model could not be reached",
            perhaps_billed=not isinstance(error.__cause__, _NOT_SENT),
        )
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    names = {str(name) for name in (error.code, error.type) if name}
    words = f"the model's API answered {status or 'in mid-stream'} ({', '.join(sorted(names))})"
    if names & _QUOTA or status == _PAYMENT_REQUIRED:
        return ModelRefused("quota", words)
    if status is None:
        return ModelBusy("server_error", words, perhaps_billed=True)
    if status >= 500 or status in (_TOO_EARLY, _TOO_MANY):
        code = "rate_limit" if status == _TOO_MANY else "server_error"
        return ModelBusy(code, words, after=_retry_after(error))
    code = "auth" if status in (_UNAUTHORIZED, _FORBIDDEN) else "bad_request"
    return ModelRefused(code, words)


def _retry_after(error: openai.APIError) -> float | None:
    """Seconds that the provider asks us to wait: `retry-after-ms` is the more exact of the two."""
    response: Any = getattr(error, "response", None)
    if response is None:
        return None
    for header, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(response.headers[header]) / divisor
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    return None
