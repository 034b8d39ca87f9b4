"""The account book: one row per question put to a model, and the answers already paid for.

Its transactions run in the platform's scope, because an installation-wide budget belongs to no
organisation; every statement therefore names the organisation it is for.

What a budget has spent is the sum over its closed calls of `cost_microdollars`, or of
`reserved_microdollars` where the cost is not known: what may have been billed counts at its most.
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

_ABANDONED = "abandoned: the process that asked is gone"


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

    None if the same content is being asked already, of equal questions only one being open at a
    time, or has been answered by now. Raises BudgetExhausted.
    """
    call_id, moment = new_id(), now()
    added = (
        LlmCall.insert(
            _facts(request, key)
            | {
                "id": call_id,
                "model": model,
                "price": price.to_json() if price else None,
                "reserved_microdollars": microdollars,
                "created_at": moment,
            }
        )
        .on_conflict(action="ignore")
        .returning(LlmCall.id)
        .tuples()
        .execute()
    )
    if not list(added):
        return None
    # The call that was open may have been settled since the caller looked.
    if _is_kept(request.org_id, key):
        LlmCall.delete().where(LlmCall.id == call_id).execute()
        return None
    # Last: whoever is answered by an equal question needs no room in a budget.
    budgets = budget.reserve(request.org_id, microdollars, moment)
    if budgets:
        LlmCall.update(budget_ids=budgets).where(LlmCall.id == call_id).execute()
    return call_id


def settle(call_id: UUID, answer: RawAnswer, price: Price | None) -> None:
    """Record what the answer cost and, unless it is useless, keep it.

    Also right for a call that was given up meanwhile: it was paid for all the same.
    """
    call, usage = _locked(call_id), answer.usage
    _charge(call, price.of(usage) if price and usage else None)
    call.state = "failed" if answer.problem else "settled"
    call.error = str(answer.problem) if answer.problem else None
    call.model = answer.model or call.model
    if usage is not None:
        call.prompt_tokens = usage.prompt
        call.cached_tokens = usage.cached
        call.completion_tokens = usage.completion
        call.reasoning_tokens = usage.reasoning
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


def fail(call_id: UUID, reason: str, *, perhaps_billed: bool) -> None:
    """Record that no answer came; the cost is 0 if the provider refused, else unknown (null)."""
    _close(_locked(call_id), reason, None if perhaps_billed else 0)


def give_up_abandoned(request: LlmRequest, key: bytes, older_than: datetime) -> None:
    """Close the open call of this content if nobody will settle it any more.

    That is one from before `older_than`, or one of the same job: the job's try that made it is over.
    """
    rows = database.execute_sql(
        """
        SELECT id FROM llm_calls WHERE org_id = %s AND cache_key = %s AND state = 'reserved'
          AND (created_at < %s OR job_id = %s)
        """,
        (request.org_id, key, older_than, request.job_id),
    ).fetchall()
    for (call_id,) in rows:
        call = _locked(call_id)
        if call.state == "reserved":
            _close(call, _ABANDONED, None)


def give_up_all_abandoned(older_than: datetime, limit: int = 100) -> int:
    """Close open calls from before `older_than`, which nobody will settle; how many.

    Without this a call whose question is never asked again would hold its reservation for ever.
    """
    rows = database.execute_sql(
        """
        SELECT id FROM llm_calls WHERE state = 'reserved' AND created_at < %s
        ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        (older_than, limit),
    ).fetchall()
    for (call_id,) in rows:
        _close(_locked(call_id), _ABANDONED, None)
    return len(rows)


def forget_answer(org_id: UUID, key: bytes) -> None:
    """Drop a kept answer that turned out to be useless, so that asking again asks the model."""
    LlmCacheEntry.delete().where(
        (LlmCacheEntry.org_id == org_id) & (LlmCacheEntry.cache_key == key)
    ).execute()


def longest_open(timeout_seconds: float) -> timedelta:
    """After this a call that is still open was left behind by a process that died.

    An answer's chunks may take the timeout in all, and the last wait for one may begin just before.
    """
    return timedelta(seconds=timeout_seconds * 2 + 30)


def _is_kept(org_id: UUID, key: bytes) -> bool:
    kept = LlmCacheEntry.select().where(
        (LlmCacheEntry.org_id == org_id) & (LlmCacheEntry.cache_key == key)
    )
    return bool(kept.exists())


def _close(call: LlmCall, reason: str, cost: int | None) -> None:
    _charge(call, cost)
    call.state = "failed"
    call.error = reason
    call.settled_at = now()
    call.save()


def _charge(call: LlmCall, cost: int | None) -> None:
    """Note the cost, and let it stand in the budgets in place of what the call counts for there."""
    counts = call.reserved_microdollars if cost is None else cost
    if call.state == "reserved":
        held, counted = call.reserved_microdollars, 0
    else:
        known = call.cost_microdollars
        held, counted = 0, call.reserved_microdollars if known is None else known
    budget.move(call.budget_ids, call.created_at, reserved=-held, spent=counts - counted)
    call.cost_microdollars = cost


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
