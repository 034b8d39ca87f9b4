"""One question, one payment: the account book, the kept answers, and what a dead process leaves."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from account import Account, at_once, die_while_asking
from tests.support.model import UNPRICED

from clozone.infra.postgres import Scope, dedicated_connection, unit_of_work
from clozone.kit.clock import now
from clozone.kit.errors import Postponed
from clozone.kit.ids import new_id
from clozone.llm import account_book
from clozone.llm import meter as meters
from clozone.models.operations import LlmCall, PriceOverride


def test_a_call_is_on_record_with_what_it_cost(meter, account):
    session_id, job_id = new_id(), new_id()
    answer = meter.complete(account.question(session_id=session_id, job_id=job_id))
    call = account.call()
    assert answer.content == '{"word": ""}'
    assert (answer.call_id, answer.cached) == (call.id, False)
    assert (call.state, call.purpose) == ("settled", "a test")
    assert (call.session_id, call.job_id) == (session_id, job_id)
    assert answer.model == call.model == "clozone-offline-1"
    assert call.price["source"] == "genai-prices"
    exact = call.prompt_tokens * 0.10 + call.completion_tokens * 0.50
    assert call.cost_microdollars == pytest.approx(exact, abs=0.5)
    assert 0 < call.cost_microdollars <= call.reserved_microdollars
    assert call.latency_ms > 0
    assert call.settled_at >= call.created_at


def test_the_call_is_on_record_before_the_answer_is_there(meter, account):
    seen = []
    meter.complete(account.question(), lambda _piece: seen.append(account.call().state))
    assert set(seen) == {"reserved"}


def test_the_pieces_make_up_the_answer(meter, account):
    pieces = []
    answer = meter.complete(account.question(), pieces.append)
    assert "".join(pieces) == answer.content


def test_equal_content_is_paid_for_once_and_recorded_twice(meter, model, account):
    first = meter.complete(account.question())
    second = meter.complete(account.question())
    assert (second.content, second.model, second.cached) == (first.content, first.model, True)
    paid, kept = account.calls()
    assert second.call_id == kept.id
    assert (paid.state, kept.state) == ("settled", "cached")
    assert kept.cost_microdollars == 0
    assert model.answered() == 1


def test_what_decides_the_answer_decides_what_is_equal(make_meter, model, account):
    make_meter().complete(account.question())
    make_meter().complete(account.question("Say another word."))
    make_meter(llm_max_output_tokens=100).complete(account.question())
    make_meter(llm_model="clozone-offline-1").complete(account.question())
    assert [call.state for call in account.calls()] == ["settled"] * 4
    assert model.answered() == 4


def test_no_organisation_is_answered_with_what_another_paid_for(meter, model, account):
    meter.complete(account.question())
    other = Account()
    assert not meter.complete(other.question()).cached
    assert model.answered() == 2


def test_twenty_at_once_pay_once(many_connections, make_meter, model, account):
    model.switch({"kind": "latency", "seconds": 0.5})
    processes = [make_meter(), make_meter()]
    answers = at_once(20, lambda n: processes[n % 2].complete(account.question()))
    assert [answer.content for answer in answers] == ['{"word": ""}'] * 20
    assert sum(not answer.cached for answer in answers) == 1
    assert model.answered() == 1
    assert sorted(call.state for call in account.calls()) == ["cached"] * 19 + ["settled"]


def test_when_the_one_that_asks_fails_another_asks(many_connections, make_meter, model, account):
    model.switch({"kind": "latency", "seconds": 0.3}, {"kind": "server_error", "next": 1})
    outcomes = at_once(5, lambda _: make_meter().complete(account.question()))
    assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert model.answered() == 1


def test_who_waits_too_long_for_anothers_answer_comes_again(
    many_connections, make_meter, model, account, monkeypatch
):
    monkeypatch.setattr(meters, "LONGEST_WAIT_SECONDS", 0.3)
    die_while_asking(make_meter(), account.question())
    with pytest.raises(Postponed) as postponed:
        make_meter().complete(account.question())
    assert postponed.value.after > 0
    assert account.call().state == "reserved"


def test_a_call_left_open_long_ago_is_taken_over(make_meter, account):
    die_while_asking(make_meter(), account.question())
    with unit_of_work(Scope.platform()):
        LlmCall.update(created_at=now() - timedelta(minutes=10)).where(
            LlmCall.org_id == account.org_id
        ).execute()
    assert make_meter().complete(account.question()).content
    left, done = account.calls()
    assert (left.state, left.cost_microdollars) == ("failed", None)
    assert left.error.startswith("abandoned")
    assert done.state == "settled"


def test_a_call_that_is_never_asked_again_is_closed_all_the_same(make_meter, account):
    budget = account.budget(10**9)
    die_while_asking(make_meter(), account.question())
    with unit_of_work(Scope.platform()):
        account_book.give_up_all_abandoned(now() - timedelta(minutes=10))
    assert account.call().state == "reserved"
    with unit_of_work(Scope.platform()):
        LlmCall.update(created_at=now() - timedelta(minutes=10)).where(
            LlmCall.org_id == account.org_id
        ).execute()
        assert account_book.give_up_all_abandoned(now() - timedelta(minutes=5)) >= 1
    left = account.call()
    assert (left.state, left.cost_microdollars) == ("failed", None)
    assert account.window(budget)[0] == 0


def test_a_jobs_next_try_takes_over_at_once(make_meter, account):
    budget = account.budget(10**9)
    request = account.question(job_id=new_id())
    die_while_asking(make_meter(), request)
    make_meter().complete(request)
    left, done = account.calls()
    assert (left.state, done.state) == ("failed", "settled")
    # Nobody knows whether the first was billed, so it counts at its most.
    assert account.window(budget) == (0, left.reserved_microdollars + done.cost_microdollars)


def test_an_answer_that_arrives_after_all_is_settled_for_what_it_cost(make_meter, account):
    budget = account.budget(10**9)
    slow, quick = make_meter(), make_meter()
    request = account.question(job_id=new_id())
    overtaken = []

    def be_overtaken(_piece):
        if not overtaken:
            overtaken.append(quick.complete(request))

    slow.complete(request, be_overtaken)
    late, taken_over = account.calls()
    assert (late.state, taken_over.state) == ("settled", "settled")
    assert account.window(budget) == (0, late.cost_microdollars + taken_over.cost_microdollars)


def test_a_model_without_a_price_is_unpriced_not_free(make_meter, account):
    budget = account.budget(1)
    make_meter(llm_model=UNPRICED).complete(account.question())
    call = account.call()
    assert (call.state, call.price, call.cost_microdollars) == ("settled", None, None)
    assert call.prompt_tokens > 0
    assert account.window(budget) == (0, 0)


def test_the_offline_model_is_free_by_name(make_meter, account):
    make_meter(llm_model="clozone-offline-1").complete(account.question())
    call = account.call()
    assert call.cost_microdollars == 0
    assert call.price["source"] == "the offline model is free"


def test_an_operators_price_goes_first_from_its_day_on(make_meter, account):
    today = now().date()
    name = f"priced-{new_id()}"
    with unit_of_work(Scope.platform()):
        for day, price in (
            (date(2020, 1, 1), 1_000_000),
            (today, 3_000_000),
            (today + timedelta(days=2), 9_000_000),
        ):
            PriceOverride.create(
                model=name,
                effective_from=day,
                input_microdollars=price,
                cached_input_microdollars=0,
                output_microdollars=0,
            )
        price = meters.price_of(name, now())
        before = meters.price_of(name, now() - timedelta(days=2))
    assert price.to_json() == {
        "source": f"override of {today}",
        "input": 3_000_000,
        "cached_input": 0,
        "output": 0,
    }
    assert before.input == 1_000_000


def test_a_kept_answer_that_is_useless_can_be_forgotten(meter, model, account):
    meter.complete(account.question())
    meter.forget(account.question())
    assert not meter.complete(account.question()).cached
    assert model.answered() == 2


def cut_off_the_first_that_waits(holder):
    """Break the first connection that waits for a lock, and let go of the lock."""
    with dedicated_connection() as connection:
        while not connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchall():
            time.sleep(0.01)
    holder.rollback()


def test_a_paid_answer_is_settled_though_the_database_was_away(meter, account):
    with dedicated_connection() as holder, ThreadPoolExecutor(1) as elsewhere:
        holder.autocommit = False
        holder.execute("SET ROLE clozone_platform")

        def lock(_piece):
            if not cuts:
                holder.execute(
                    "SELECT FROM llm_calls WHERE id = %s FOR UPDATE", [account.call().id]
                )
                cuts.append(elsewhere.submit(cut_off_the_first_that_waits, holder))

        cuts = []
        answer = meter.complete(account.question(), lock)
        cuts[0].result()
    assert answer.content
    assert account.call().state == "settled"
