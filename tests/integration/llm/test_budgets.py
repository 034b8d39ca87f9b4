"""A cap holds for any number of callers at once, and no caller waits for another for ever."""

from datetime import UTC, datetime

import pytest
from account import Account, at_once, die_while_asking

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.llm import account_book
from clozone.llm.budget import refuse_without_room
from clozone.llm.errors import BudgetExhausted
from clozone.models.operations import Budget, BudgetWindow


def counted(account):
    """What the account book says a budget must have spent."""
    return sum(
        call.reserved_microdollars if call.cost_microdollars is None else call.cost_microdollars
        for call in account.calls()
        if call.state != "reserved"
    )


def most(meter, account):
    """What one of the questions below reserves, and what it costs."""
    meter.complete(account.question("Say word 00."))
    call = account.call()
    return call.reserved_microdollars, call.cost_microdollars


def test_forty_at_once_never_exceed_the_cap(many_connections, meter, model, account):
    reserved, cost = most(meter, Account())
    cap = 10 * reserved + cost
    budget = account.budget(cap)
    model.switch({"kind": "latency", "seconds": 0.3})
    seen = []

    def ask(number):
        try:
            return meter.complete(account.question(f"Say word {number:02}."))
        finally:
            seen.append(sum(account.window(budget)))

    outcomes = at_once(40, ask)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert {type(refusal) for refusal in refused} == {BudgetExhausted}
    assert 10 <= len(outcomes) - len(refused) < 40
    assert max(seen) <= cap
    assert account.window(budget) == (0, counted(account))
    assert len(account.calls()) == len(outcomes) - len(refused)


def test_four_budgets_at_once_do_not_lock_each_other_out(many_connections, meter, account):
    other = Account()
    with unit_of_work(Scope.platform()):
        whole = [
            Budget.create(org_id=None, period=period, cap_microdollars=10**12).id
            for period in ("day", "month")
        ]
    try:
        budgets = {
            who.org_id: [who.budget(10**12, "month"), who.budget(10**12)]
            for who in (account, other)
        }
        outcomes = at_once(
            40, lambda n: meter.complete((account, other)[n % 2].question(f"Say {n}."))
        )
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        for who in (account, other):
            assert {who.window(budget) for budget in budgets[who.org_id]} == {(0, counted(who))}
        total = counted(account) + counted(other)
        assert all(account.window(budget)[1] >= total for budget in whole)
    finally:
        with unit_of_work(Scope.platform()):
            Budget.delete().where(Budget.id.in_(whole)).execute()


def test_who_is_refused_is_told_which_budget_and_until_when(meter, account):
    account.budget(1, "month")
    with pytest.raises(BudgetExhausted) as refusal:
        meter.complete(account.question())
    assert refusal.value.status == 402
    assert "organisation's budget for this month" in refusal.value.detail
    resets_at = datetime.fromisoformat(refusal.value.fields["resets_at"])
    assert resets_at == refusal.value.resets_at > datetime.now(UTC)
    assert resets_at.day == 1
    assert account.calls() == []


def test_an_equal_question_needs_no_room(many_connections, make_meter, model, account):
    reserved, _ = most(make_meter(), Account())
    account.budget(reserved)
    model.switch({"kind": "latency", "seconds": 0.3})
    answers = at_once(5, lambda _: make_meter().complete(account.question("Say word 00.")))
    assert [answer for answer in answers if isinstance(answer, Exception)] == []


def test_who_looked_just_before_the_answer_arrived_reserves_nothing(meter, account):
    request = account.question()
    meter.complete(request)
    account.budget(0)
    key = bytes(account.call().cache_key)
    with unit_of_work(Scope.platform()):
        assert account_book.reserve(request, key, "a model", None, 1) is None
    assert [call.state for call in account.calls()] == ["settled"]


def test_what_was_kept_is_answered_when_nothing_is_left(meter, account):
    meter.complete(account.question())
    account.budget(0)
    assert meter.complete(account.question()).cached
    with pytest.raises(BudgetExhausted):
        meter.complete(account.question("Say another word."))


def test_an_open_call_holds_its_place_in_the_budget(make_meter, account):
    reserved, _ = most(make_meter(), Account())
    budget = account.budget(reserved * 3 // 2)
    die_while_asking(make_meter(), account.question("Say word 01."))
    assert account.window(budget) == (account.call().reserved_microdollars, 0)
    with pytest.raises(BudgetExhausted):
        make_meter().complete(account.question("Say word 02."))


def test_a_budget_removed_during_a_call_is_missed_by_nobody(meter, account):
    budget = account.budget(10**9)

    def remove(_piece):
        with unit_of_work(Scope.platform()):
            Budget.delete().where(Budget.id == budget).execute()

    assert meter.complete(account.question(), remove).content
    assert account.call().state == "settled"


def test_who_waits_is_refused_as_soon_as_there_is_no_room(meter, account):
    budget = account.budget(10**9)
    refuse_without_room(account.org_id)
    meter.complete(account.question())
    refuse_without_room(account.org_id)
    reserved = account.call().reserved_microdollars
    with unit_of_work(Scope.platform()):
        BudgetWindow.update(spent_microdollars=10**9 - reserved + 1).where(
            BudgetWindow.budget_id == budget
        ).execute()
    with pytest.raises(BudgetExhausted):
        refuse_without_room(account.org_id)
    refuse_without_room(new_id())
