"""How a model call can fail, and what that means for whoever asked."""

from http import HTTPStatus

from clozone.kit.errors import DomainError, Permanent, Postponed, Retryable


class ModelBusy(Retryable):
    """Rate limited, overloaded, away or too slow: the same request may succeed later."""

    code = "model_busy"


class UnusableAnswer(Retryable):
    """The answer was cut off or is not the JSON that was asked for; another try may differ."""

    code = "unusable_answer"


class AnswerPending(Postponed):
    """The same content is being asked elsewhere at this moment; its answer will serve both."""

    code = "answer_pending"


class ModelRefused(Permanent):
    """The model declines, the key is wrong, the quota is used up, the request is malformed."""

    code = "model_refused"


class BudgetExhausted(DomainError):
    """The cap of a budget leaves no room for this call until its window ends."""

    code = "budget_exhausted"
    status = HTTPStatus.PAYMENT_REQUIRED
    title = "The budget for model calls is used up"
