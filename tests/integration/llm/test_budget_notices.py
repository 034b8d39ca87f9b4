"""A budget that has no room for a call is told of once in its day or month, whoever finds it first."""

import pytest
from account import Account, at_once

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import iso, now
from clozone.kit.ids import new_id
from clozone.llm.budget import refuse_without_room, window, window_end
from clozone.llm.errors import BudgetExhausted
from clozone.models.operations import Budget, BudgetWindow, Job


def told(budget_id):
    """What was told of a budget, and to whom."""
    with unit_of_work(Scope.platform()):
        jobs = list(Job.select().where(Job.kind == "notifications.fan_out"))
    return [
        (job.org_id, job.payload["data"])
        for job in jobs
        if job.payload["type"] == "budget.reached"
        and job.payload["data"].get("budget_id") == str(budget_id)
    ]


def test_of_forty_refused_at_once_one_tells(many_connections, meter, account):
    budget_id = account.budget(1)

    outcomes = at_once(40, lambda n: meter.complete(account.question(f"Say {n}.")))

    assert {type(outcome) for outcome in outcomes} == {BudgetExhausted}
    moment = now()
    assert told(budget_id) == [
        (
            account.org_id,
            {
                "budget_id": str(budget_id),
                "scope": "organization",
                "period": "day",
                "starts_on": window("day", moment).isoformat(),
                "resets_at": iso(window_end("day", moment)),
                "cap_microdollars": 1,
            },
        )
    ]
    assert account.window(budget_id) == (0, 0)


def test_a_budget_with_room_is_not_told_of(meter, account):
    budget_id = account.budget(10**9)

    meter.complete(account.question())

    assert told(budget_id) == []


def test_who_is_refused_beforehand_tells_too_but_not_again(meter, account):
    meter.complete(account.question())
    budget_id = account.budget(1)

    for _ in range(2):
        with pytest.raises(BudgetExhausted):
            refuse_without_room(account.org_id)
    with pytest.raises(BudgetExhausted):
        meter.complete(account.question("Another."))

    assert [owner for owner, _ in told(budget_id)] == [account.org_id]


def test_the_next_window_is_told_of_anew(meter, account):
    budget_id = account.budget(1)
    with pytest.raises(BudgetExhausted):
        meter.complete(account.question())
    with unit_of_work(Scope.platform()):  # yesterday's
        BudgetWindow.update(starts_on="2020-01-01").where(
            BudgetWindow.budget_id == budget_id
        ).execute()

    with pytest.raises(BudgetExhausted):
        meter.complete(account.question())

    assert len(told(budget_id)) == 2


def test_of_the_installations_budget_everybody_is_told_without_its_amount(meter):
    account = Account(new_id())
    with unit_of_work(Scope.platform()):
        budget_id = Budget.create(org_id=None, period="month", cap_microdollars=1).id
    try:
        with pytest.raises(BudgetExhausted):
            meter.complete(account.question())
        ((owner, data),) = told(budget_id)
    finally:
        with unit_of_work(Scope.platform()):
            Budget.delete().where(Budget.id == budget_id).execute()
            # It concerns everybody: also those whose tests come after this one.
            Job.delete().where(Job.kind == "notifications.fan_out", Job.org_id.is_null()).execute()

    assert owner is None
    assert (data["scope"], data["period"]) == ("installation", "month")
    assert "cap_microdollars" not in data
