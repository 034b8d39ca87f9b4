"""An organisation's dealings with a model: what it asks, what is on record, what its budgets say."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.llm.meter import Meter
from clozone.llm.request import LlmRequest
from clozone.models.accounts import Organization
from clozone.models.operations import Budget, BudgetWindow, LlmCall

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
ANSWER_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "word", "strict": True, "schema": SCHEMA},
}


@dataclass
class Account:
    """A new organisation."""

    org_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        with unit_of_work(Scope.platform()):
            Organization.create(id=self.org_id, name="Acme")

    def question(self, text: str = "Say a word.", **fields: Any) -> LlmRequest:
        """A question; the same text is the same content."""
        messages = [{"role": "user", "content": text}]
        return LlmRequest(self.org_id, "a test", messages, ANSWER_FORMAT, **fields)

    def calls(self) -> list[LlmCall]:
        """What is on record, oldest first."""
        with unit_of_work(Scope.tenant(self.org_id)):
            return list(LlmCall.select().order_by(LlmCall.created_at, LlmCall.id))

    def call(self) -> LlmCall:
        """The only call on record."""
        (call,) = self.calls()
        return call

    def budget(self, cap: int, period: str = "day") -> UUID:
        """A cap in micro-dollars."""
        with unit_of_work(Scope.platform()):
            made = Budget.create(org_id=self.org_id, period=period, cap_microdollars=cap)
            return UUID(str(made.id))

    def window(self, budget_id: UUID) -> tuple[int, int]:
        """(reserved, spent) of a budget, in all its windows."""
        with unit_of_work(Scope.platform()):
            rows = list(BudgetWindow.select().where(BudgetWindow.budget_id == budget_id))
        return (
            sum(row.reserved_microdollars for row in rows),
            sum(row.spent_microdollars for row in rows),
        )


class Killed(BaseException):
    """Nothing in the platform catches this: what it leaves behind is what a dead process leaves."""


def die_while_asking(meter: Meter, request: LlmRequest) -> None:
    """Ask, and be gone before the answer is on record."""

    def die(_piece: str) -> None:
        raise Killed

    with suppress(Killed):
        meter.complete(request, die)


def at_once(threads: int, work: Any) -> list[Any]:
    """What `work(number)` returned or raised in each of so many threads."""

    def outcome(number: int) -> Any:
        try:
            return work(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(outcome, range(threads)))
