"""The model's HTTP API. The only file that imports openai.

The SDK's own retries look at the status alone and repeat what can never succeed, such as a used-up
quota; so they are off, and every failure becomes one of `llm.errors`, which says what to do.
"""

import time
from collections.abc import Callable
from typing import Any, cast

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema

from clozone.llm.errors import ModelBusy, ModelRefused, UnusableAnswer
from clozone.llm.request import LlmRequest, RawAnswer, Usage
from clozone.settings import Settings

# 429s that waiting does not mend, by the API's `code` or `type`.
_QUOTA = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"}
)
_TOO_EARLY, _TOO_MANY = 408, 429

OnDelta = Callable[[str], None]


class ModelClient:
    """One connection pool to one provider; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        key = settings.openai_api_key
        self._settings = settings
        self._client = openai.OpenAI(
            api_key=key.get_secret_value() if key else "none",
            base_url=settings.openai_base_url,
            timeout=settings.llm_timeout_seconds,
            max_retries=0,
        )

    def ask(self, request: LlmRequest, on_delta: OnDelta | None = None) -> RawAnswer:
        """The whole answer; with `on_delta`, pieces of it are passed on as they arrive.

        Raises ModelBusy or ModelRefused when there is no answer. One that was cut off or declined is
        returned with its `problem`, because it was paid for.
        """
        began = time.monotonic()
        try:
            answer = _Answer()
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
        return answer.finished((time.monotonic() - began) * 1000)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Answer:
    """An answer being put together from its chunks."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._refusal: list[str] = []
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
        if choice.delta.refusal:
            self._refusal.append(choice.delta.refusal)
        if choice.delta.content:
            self._content.append(choice.delta.content)
        return choice.delta.content

    def finished(self, latency_ms: float) -> RawAnswer:
        """The whole answer, with what is wrong with it: also a useless one has to be accounted for."""
        content = "".join(self._content)
        refusal = "".join(self._refusal)
        if refusal:
            problem: Exception | None = ModelRefused(f"the model declined: {refusal[:200]}")
        elif self._finish_reason == "length":
            problem = UnusableAnswer("the answer was cut off at the token limit")
        elif self._finish_reason == "content_filter":
            problem = ModelRefused("the provider's content filter withheld the answer")
        elif self._finish_reason is None:
            problem = UnusableAnswer("the stream ended before the answer did")
        else:
            problem = None
        return RawAnswer(content, self._model, _usage(self._usage), latency_ms, problem)


def _usage(usage: CompletionUsage | None) -> Usage:
    if usage is None:
        return Usage(0, 0, 0, 0)
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        prompt=usage.prompt_tokens,
        cached=(prompt.cached_tokens or 0) if prompt else 0,
        completion=usage.completion_tokens,
        reasoning=(completion.reasoning_tokens or 0) if completion else 0,
    )


def _explained(error: openai.APIError) -> Exception:
    if isinstance(error, openai.APITimeoutError):
        return ModelBusy("the model did not answer in time")
    if isinstance(error, openai.APIConnectionError):
        return ModelBusy("the model could not be reached")
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    names = {str(getattr(error, "code", "")), str(getattr(error, "type", ""))}
    words = f"the model's API answered {status}: {error.message[:300]}"
    if names & _QUOTA:
        return ModelRefused(f"the quota is used up: {words}")
    if status is None or status >= 500 or status in (_TOO_EARLY, _TOO_MANY):
        return ModelBusy(words, after=_retry_after(error))
    return ModelRefused(words)


def _retry_after(error: openai.APIError) -> float | None:
    """Seconds that the provider asks us to wait: `retry-after-ms` is the more exact of the two."""
    response: Any = getattr(error, "response", None)
    if response is None:
        return None
    for header, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return float(response.headers[header]) / divisor
        except (KeyError, ValueError):
            continue
    return None
