"""The account book: one row per question put to a model, and the answers already paid for.

Its transactions run in the platform's scope, because an installation-wide budget belongs to no
organisation; every statement therefore names the organisation it is for.
"""

from datetime import datetime, timedelta
from uuid import UUID

from clozone.infra.postgres import database
from clozone.kit.clock import now
from clozone.kit.context import request_id
from clozone.kit.ids import new_id
from clozone.llm import budget
from clozone.llm.pricing import Price
from clozone.llm.request import LlmAnswer, LlmRequest, RawAnswer
from clozone.models.operations import LlmCacheEntry, LlmCall


def cached_answer(request: LlmRequest, key: bytes) -> LlmAnswer | None:
    """The answer to equal content that the organisation has paid for, recorded as one more call."""
    entry = LlmCacheEntry.get_or_none(
        (LlmCacheEntry.org_id == request.org_id) & (LlmCacheEntry.cache_key == key)
    )
    if entry is None:
        return None
    moment = now()
    call_id = new_id()
    LlmCall.insert(
        _facts(request, key)
        | {
            "id": call_id,
            "model": entry.model,
            "state": "cached",
            "cost_microdollars": 0,
            "created_at": moment,
            "settled_at": moment,
        }
    ).execute()
    return LlmAnswer(entry.content, entry.model, call_id, cached=True)


def reserve(
    request: LlmRequest, key: bytes, model: str, price: Price | None, microdollars: int
) -> UUID | None:
    """Record that the question is about to be asked; the call's id.

    None if the same content is being asked already: of equal questions only one is open at a time.
    Raises BudgetExhausted.
    """
    call_id, moment = new_id(), now()
    budgets = budget.reserve(request.org_id, microdollars, moment)
    added = (
        LlmCall.insert(
            _facts(request, key)
            | {
                "id": call_id,
                "model": model,
                "price": price.to_json() if price else None,
                "reserved_microdollars": microdollars,
                "budget_ids": budgets,
                "created_at": moment,
            }
        )
        .on_conflict(action="ignore")
        .returning(LlmCall.id)
        .tuples()
        .execute()
    )
    if list(added):
        return call_id
    budget.settle(budgets, moment, microdollars, 0)
    return None


def settle(call_id: UUID, answer: RawAnswer, price: Price | None) -> None:
    """Record what the answer cost and, unless it is useless, keep it.

    Also right for a call that was given up meanwhile: it was paid for all the same.
    """
    call = _locked(call_id)
    cost = price.of(answer.usage) if price else None
    if call.state == "reserved":
        budget.settle(call.budget_ids, call.created_at, call.reserved_microdollars, cost or 0)
    else:
        budget.settle(call.budget_ids, call.created_at, 0, cost or 0)
    call.state = "failed" if answer.problem else "settled"
    call.model = answer.model or call.model
    call.error = str(answer.problem) if answer.problem else None
    call.prompt_tokens = answer.usage.prompt
    call.cached_tokens = answer.usage.cached
    call.completion_tokens = answer.usage.completion
    call.reasoning_tokens = answer.usage.reasoning
    call.cost_microdollars = cost
    call.latency_ms = answer.latency_ms
    call.settled_at = now()
    call.save()
    if answer.problem is None:
        LlmCacheEntry.insert(
            org_id=call.org_id,
            cache_key=call.cache_key,
            llm_call_id=call.id,
            model=call.model,
            content=answer.content,
        ).on_conflict(action="ignore").execute()


def fail(call_id: UUID, reason: str) -> None:
    """Record that no answer came, and release the reservation."""
    call = _locked(call_id)
    if call.state != "reserved":
        return
    budget.settle(call.budget_ids, call.created_at, call.reserved_microdollars, 0)
    call.state = "failed"
    call.error = reason
    call.cost_microdollars = 0
    call.settled_at = now()
    call.save()


def abandoned(request: LlmRequest, key: bytes, older_than: datetime) -> list[UUID]:
    """Open calls of this content that nobody will settle: too old, or of this job's lost attempt."""
    rows = database.execute_sql(
        """
        SELECT id FROM llm_calls WHERE org_id = %s AND cache_key = %s AND state = 'reserved'
          AND (created_at < %s OR job_id = %s)
        """,
        (request.org_id, key, older_than, request.job_id),
    ).fetchall()
    return [call_id for (call_id,) in rows]


def forget_answer(org_id: UUID, key: bytes) -> None:
    """Drop a kept answer that turned out to be useless, so that asking again asks the model."""
    LlmCacheEntry.delete().where(
        (LlmCacheEntry.org_id == org_id) & (LlmCacheEntry.cache_key == key)
    ).execute()


def longest_open(timeout_seconds: float) -> timedelta:
    """After this a call that is still open was left behind by a process that died."""
    return timedelta(seconds=timeout_seconds * 2 + 10)


def _locked(call_id: UUID) -> LlmCall:
    call: LlmCall = LlmCall.select().where(LlmCall.id == call_id).for_update().get()
    return call


def _facts(request: LlmRequest, key: bytes) -> dict[str, object]:
    return {
        "org_id": request.org_id,
        "session_id": request.session_id,
        "job_id": request.job_id,
        "purpose": request.purpose,
        "cache_key": key,
        "request_id": request_id.get(),
    }
