"""How a model call can fail, what that means for whoever asked, and whether it may have been billed.

`code` is one of: rate_limit, server_error, timeout, unreachable, truncated, invalid_json, interrupted,
not_evidence, quota, auth, bad_request, refusal. It begins the message, and so what the account book
and the job's row say. Messages never repeat what the provider or the model wrote: that may quote the
call, and messages are logged.
"""

from datetime import date, datetime
from http import HTTPStatus
from uuid import UUID

from clozone.kit.clock import iso
from clozone.kit.errors import DomainError, Permanent, Postponed, Retryable


class ModelBusy(Retryable):
    """Rate limited, overloaded, away or too slow: the same request may succeed later.

    `perhaps_billed`: the request went out and nobody knows what became of it.
    """

    def __init__(
        self, code: str, sentence: str, *, after: float | None = None, perhaps_billed: bool = False
    ) -> None:
        super().__init__(f"{code}: {sentence}", after=after)
        self.code = code
        self.perhaps_billed = perhaps_billed


class UnusableAnswer(Retryable):
    """The answer was cut off or is not the JSON that was asked for; another try may differ."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code


class ModelRefused(Permanent):
    """The model declines, the key is wrong, the quota is used up, the request is malformed."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code


class AnswerPending(Postponed):
    """The same content is being asked elsewhere at this moment; its answer will serve both."""


class BudgetExhausted(DomainError):
    """The cap of a budget leaves no room for this call before `resets_at`, when its window ends."""

    code = "budget_exhausted"
    status = HTTPStatus.PAYMENT_REQUIRED
    title = "The budget for model calls is used up"

    def __init__(
        self, detail: str, *, budget_id: UUID, period: str, starts_on: date, resets_at: datetime
    ) -> None:
        super().__init__(detail, period=period, resets_at=iso(resets_at))
        self.budget_id = budget_id
        self.starts_on = starts_on
        self.resets_at = resets_at
