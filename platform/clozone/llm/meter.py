"""Every question to a model goes through here: reserve → ask → settle → use.

Three short transactions stand around the call and none is open during it. Equal content is answered
from what was paid for; of equal questions at the same time, in whatever processes, one is asked.
"""

import time
from datetime import timedelta
from uuid import UUID

from loguru import logger

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.llm import account_book
from clozone.llm.client import ModelClient, OnDelta
from clozone.llm.errors import AnswerPending
from clozone.llm.pricing import Price, price_of
from clozone.llm.request import LlmAnswer, LlmRequest, RawAnswer, Usage
from clozone.settings import Settings

POLL_SECONDS = 0.2
# Waiting longer than this for somebody else's answer is left to the caller's next try.
LONGEST_WAIT_SECONDS = 20.0


class Meter:
    """Asks questions on account. One per process; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = ModelClient(settings)

    def complete(self, request: LlmRequest, on_delta: OnDelta | None = None) -> LlmAnswer:
        """The answer, on record before it is returned. Must not be called in a unit of work.

        `on_delta` hears the pieces of an answer that is being made; not those of a kept one.
        Raises ModelBusy, UnusableAnswer, AnswerPending, ModelRefused or BudgetExhausted.
        """
        key = request.cache_key(self._settings)
        kept, call_id, price = self._kept_or_reserved(request, key)
        if kept is not None:
            return kept
        answer = self._ask(request, call_id, on_delta)
        with unit_of_work(Scope.platform()):
            account_book.settle(call_id, answer, price)
        logger.bind(
            purpose=request.purpose,
            model=answer.model,
            prompt_tokens=answer.usage.prompt,
            completion_tokens=answer.usage.completion,
            latency_ms=round(answer.latency_ms, 1),
            problem=type(answer.problem).__name__ if answer.problem else None,
        ).info("model answered")
        if answer.problem is not None:
            raise answer.problem
        return LlmAnswer(answer.content, answer.model, call_id, cached=False)

    def forget(self, request: LlmRequest) -> None:
        """Drop the kept answer to this question: it cannot be used."""
        with unit_of_work(Scope.platform()):
            account_book.forget_answer(request.org_id, request.cache_key(self._settings))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _kept_or_reserved(
        self, request: LlmRequest, key: bytes
    ) -> tuple[LlmAnswer | None, UUID, Price | None]:
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while True:
            with unit_of_work(Scope.platform()):
                kept = account_book.cached_answer(request, key)
                if kept is not None:
                    return kept, kept.call_id, None
                self._release_abandoned(request, key)
                price = price_of(self._settings.llm_model, now())
                call_id = account_book.reserve(
                    request, key, self._settings.llm_model, price, self._most(request, price)
                )
            if call_id is not None:
                return None, call_id, price
            if time.monotonic() > deadline:
                raise AnswerPending("the same content is being asked already", after=5)
            time.sleep(POLL_SECONDS)

    def _ask(self, request: LlmRequest, call_id: UUID, on_delta: OnDelta | None) -> RawAnswer:
        try:
            return self._client.ask(request, on_delta)
        except Exception as error:
            with unit_of_work(Scope.platform()):
                account_book.fail(call_id, f"{type(error).__name__}: {error}"[:500])
            raise

    def _release_abandoned(self, request: LlmRequest, key: bytes) -> None:
        longest: timedelta = account_book.longest_open(self._settings.llm_timeout_seconds)
        for call_id in account_book.abandoned(request, key, now() - longest):
            account_book.fail(call_id, "abandoned: the process that asked is gone")

    def _most(self, request: LlmRequest, price: Price | None) -> int:
        """What the call can cost at most, in micro-dollars."""
        if price is None:
            return 0
        longest = Usage(request.most_prompt_tokens(), 0, self._settings.llm_max_output_tokens, 0)
        return price.of(longest)


_meter: Meter | None = None


def init_meter(settings: Settings) -> None:
    """Set up this process's meter. Connects lazily."""
    global _meter  # noqa: PLW0603 - one per process, like the connection pool
    _meter = Meter(settings)


def meter() -> Meter:
    """This process's meter."""
    if _meter is None:
        raise RuntimeError("init_meter(settings) comes first")
    return _meter
