"""Every question to a model goes through here: reserve → ask → settle → use.

Three short transactions stand around the call and none is open during it. Equal content is answered
from what was paid for; of equal questions at the same time, in whatever processes, one is asked.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from loguru import logger
from peewee import OperationalError

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.llm import account_book, budget
from clozone.llm.client import ModelClient, OnDelta
from clozone.llm.errors import AnswerPending, BudgetExhausted, ModelBusy, ModelRefused
from clozone.llm.pricing import Price, price_of
from clozone.llm.request import LlmAnswer, LlmRequest, RawAnswer, Usage
from clozone.settings import Settings

POLL_SECONDS = 0.2
# Waiting longer than this for somebody else's answer is left to the caller's next try.
LONGEST_WAIT_SECONDS = 2.0
SETTLE_AGAIN_SECONDS = (0.5, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class _Reserved:
    """A question that is about to be asked, and the price that holds for it."""

    call_id: UUID
    price: Price | None


class Meter:
    """Asks questions on account. One per process; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = ModelClient(settings)
        self._told_unpriced = False
        self._longest_open = account_book.longest_open(settings.llm_timeout_seconds)

    @property
    def max_input_tokens(self) -> int:
        """The hard limit on the transcript in one question."""
        return self._settings.llm_max_input_tokens

    def complete(self, request: LlmRequest, on_delta: OnDelta | None = None) -> LlmAnswer:
        """The answer, on record before it is returned. Must not be called in a unit of work.

        `on_delta` hears the pieces of an answer that is being made; not those of a kept one.
        Raises ModelBusy, UnusableAnswer, AnswerPending, ModelRefused or BudgetExhausted.
        """
        key = request.cache_key(self._settings)
        try:
            reserved = self._kept_or_reserved(request, key)
        except BudgetExhausted as refusal:
            budget.note_exhausted(refusal)
            raise
        if isinstance(reserved, LlmAnswer):
            return reserved
        answer = self._ask(request, reserved.call_id, on_delta)
        self._settle(reserved, answer)
        logger.bind(
            purpose=request.purpose,
            model=answer.model,
            prompt_tokens=answer.usage.prompt if answer.usage else None,
            completion_tokens=answer.usage.completion if answer.usage else None,
            latency_ms=round(answer.latency_ms, 1),
            problem=str(answer.problem) if answer.problem else None,
        ).info("model answered")
        if answer.problem is not None:
            raise answer.problem
        return LlmAnswer(answer.content, answer.model, reserved.call_id, cached=False)

    def forget(self, request: LlmRequest) -> None:
        """Drop the kept answer to this question: it cannot be used."""
        with unit_of_work(Scope.platform()):
            account_book.forget_answer(request.org_id, request.cache_key(self._settings))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _kept_or_reserved(self, request: LlmRequest, key: bytes) -> LlmAnswer | _Reserved:
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while True:
            with unit_of_work(Scope.platform()):
                kept = account_book.cached_answer(request, key)
                if kept is not None:
                    return kept
                reserved = self._reserve(request, key)
                if reserved is not None:
                    return reserved
            if time.monotonic() > deadline:
                raise AnswerPending("the same content is being asked already", after=5)
            time.sleep(POLL_SECONDS)

    def _reserve(self, request: LlmRequest, key: bytes) -> _Reserved | None:
        model = self._settings.llm_model
        account_book.give_up_abandoned(request, key, now() - self._longest_open)
        price = price_of(model, now())
        if price is None and not self._told_unpriced:
            self._told_unpriced = True
            logger.bind(model=model).warning("the model has no price: budgets do not hold for it")
        most = self._most(request, price)
        call_id = account_book.reserve(request, key, model, price, most)
        return None if call_id is None else _Reserved(call_id, price)

    def _ask(self, request: LlmRequest, call_id: UUID, on_delta: OnDelta | None) -> RawAnswer:
        try:
            return self._client.ask(request, on_delta)
        except Exception as error:
            foreseen = isinstance(error, ModelBusy | ModelRefused)
            perhaps_billed = not foreseen or (isinstance(error, ModelBusy) and error.perhaps_billed)
            with unit_of_work(Scope.platform()):
                reason = str(error) if foreseen else type(error).__name__
                account_book.fail(call_id, reason, perhaps_billed=perhaps_billed)
            raise

    @staticmethod
    def _settle(reserved: _Reserved, answer: RawAnswer) -> None:
        for pause in (*SETTLE_AGAIN_SECONDS, None):
            try:
                with unit_of_work(Scope.platform()):
                    account_book.settle(reserved.call_id, answer, reserved.price)
                return
            except OperationalError:
                # The answer is paid for: worth waiting for PostgreSQL to come back.
                if pause is None:
                    raise
                time.sleep(pause)

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
