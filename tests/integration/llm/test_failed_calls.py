"""Every way a call fails: what the caller is told to do, and what stands in the account book."""

import pytest
from provider import USAGE, chunk, provider
from tests.support.processes import free_port

from clozone.kit.errors import Permanent, Retryable
from clozone.llm.errors import ModelBusy, ModelRefused, UnusableAnswer


def test_a_rate_limit_says_when_to_come_again(meter, model, account):
    model.switch({"kind": "rate_limit", "seconds": 2.5})
    with pytest.raises(Retryable) as failure:
        meter.complete(account.question())
    assert (failure.value.code, failure.value.after) == ("rate_limit", 2.5)
    call = account.call()
    assert (call.state, call.cost_microdollars) == ("failed", 0)
    assert call.error.startswith("rate_limit:")


def test_a_used_up_quota_is_permanent_though_it_is_a_429(meter, model, account):
    model.switch({"kind": "insufficient_quota"})
    with pytest.raises(Permanent) as failure:
        meter.complete(account.question())
    assert failure.value.code == "quota"
    assert account.call().cost_microdollars == 0


def test_a_server_error_may_pass(meter, model, account):
    model.switch({"kind": "server_error", "next": 1})
    with pytest.raises(Retryable) as failure:
        meter.complete(account.question())
    assert (failure.value.code, failure.value.after) == ("server_error", None)
    assert meter.complete(account.question()).content
    assert [call.state for call in account.calls()] == ["failed", "settled"]


def test_an_unknown_model_is_permanent(make_meter, account):
    with pytest.raises(ModelRefused) as failure:
        make_meter(llm_model="not-served").complete(account.question())
    assert failure.value.code == "bad_request"


def test_a_wrong_key_is_permanent(make_meter, account):
    with (
        provider({"error": {"code": "invalid_api_key"}}, status=401) as url,
        pytest.raises(ModelRefused) as failure,
    ):
        make_meter(openai_base_url=url).complete(account.question())
    assert failure.value.code == "auth"


def test_a_refusal_is_permanent_and_paid_for(meter, model, account):
    model.switch({"kind": "refusal"})
    with pytest.raises(Permanent) as failure:
        meter.complete(account.question())
    assert failure.value.code == "refusal"
    call = account.call()
    assert call.state == "failed"
    assert call.prompt_tokens > 0
    assert call.cost_microdollars > 0


@pytest.mark.parametrize(
    ("fault", "code"), [("truncated", "truncated"), ("invalid_json", "invalid_json")]
)
def test_a_useless_answer_is_paid_for_and_not_kept(meter, model, account, fault, code):
    model.switch({"kind": fault, "next": 1})
    with pytest.raises(UnusableAnswer) as failure:
        meter.complete(account.question())
    assert failure.value.code == code
    again = meter.complete(account.question())
    assert not again.cached
    assert [call.state for call in account.calls()] == ["failed", "settled"]
    assert account.calls()[0].cost_microdollars > 0


def test_no_answer_in_time_may_have_been_billed(make_meter, model, account):
    budget = account.budget(10**9)
    model.switch({"kind": "timeout", "next": 1})
    with pytest.raises(ModelBusy) as failure:
        make_meter(llm_timeout_seconds=0.3).complete(account.question())
    assert failure.value.code == "timeout"
    call = account.call()
    assert (call.state, call.cost_microdollars) == ("failed", None)
    assert account.window(budget) == (0, call.reserved_microdollars)


def test_an_answer_that_drips_on_for_ever_is_cut_off(make_meter, model, account):
    # Each piece comes within the time, the whole does not.
    model.switch({"kind": "slow_stream", "seconds": 0.2})
    with pytest.raises(ModelBusy) as failure:
        make_meter(llm_timeout_seconds=0.5).complete(account.question("x" * 4000))
    assert failure.value.code == "timeout"
    assert account.call().cost_microdollars is None


def test_a_provider_that_only_keeps_the_line_open_is_cut_off(make_meter, account):
    # Comments between events are no pieces of an answer, and each starts the SDK's timeout anew.
    with (
        provider(*[": still at work\n\n"] * 40, pause=0.1) as url,
        pytest.raises(ModelBusy) as failure,
    ):
        make_meter(openai_base_url=url, llm_timeout_seconds=0.5).complete(account.question())
    assert failure.value.code == "timeout"
    assert account.call().cost_microdollars is None


def test_a_stream_that_turns_to_rubbish_may_succeed_another_time(make_meter, account):
    with (
        provider(chunk('{"word'), "data: {<html>\n\n") as url,
        pytest.raises(Retryable) as failure,
    ):
        make_meter(openai_base_url=url).complete(account.question())
    assert failure.value.code == "interrupted"
    assert account.call().cost_microdollars is None


def test_what_never_left_costs_nothing(make_meter, account):
    budget = account.budget(10**9)
    with pytest.raises(ModelBusy) as failure:
        make_meter(openai_base_url=f"http://127.0.0.1:{free_port()}/v1").complete(
            account.question()
        )
    assert failure.value.code == "unreachable"
    assert account.call().cost_microdollars == 0
    assert account.window(budget) == (0, 0)


def test_an_answer_that_breaks_off_is_not_used(make_meter, account):
    with provider(chunk('{"word": "ha')) as url, pytest.raises(UnusableAnswer) as failure:
        make_meter(openai_base_url=url).complete(account.question())
    assert failure.value.code == "interrupted"
    assert account.call().cost_microdollars is None


def test_an_error_in_mid_stream_may_pass(make_meter, account):
    with (
        provider(chunk('{"word'), {"error": {"message": "overloaded"}}) as url,
        pytest.raises(ModelBusy) as failure,
    ):
        make_meter(openai_base_url=url).complete(account.question())
    assert failure.value.code == "server_error"


def test_a_provider_that_tells_no_usage_counts_at_the_most(make_meter, account):
    budget = account.budget(10**9)
    with provider(chunk('{"word": ""}'), chunk(finish="stop")) as url:
        answer = make_meter(openai_base_url=url).complete(account.question())
    assert answer.content == '{"word": ""}'
    call = account.call()
    assert (call.state, call.prompt_tokens, call.cost_microdollars) == ("settled", None, None)
    assert account.window(budget) == (0, call.reserved_microdollars)


@pytest.mark.parametrize("figures", [{"prompt_tokens": None}, {"completion_tokens": -7}])
def test_figures_that_make_no_sense_are_none(make_meter, account, figures):
    budget = account.budget(10**9)
    with provider(chunk('{"word": ""}', "stop", usage=USAGE | figures)) as url:
        make_meter(openai_base_url=url).complete(account.question())
    call = account.call()
    assert (call.state, call.prompt_tokens, call.cost_microdollars) == ("settled", None, None)
    assert account.window(budget) == (0, call.reserved_microdollars)


def test_no_more_tokens_are_cached_than_there_are(make_meter, account):
    usage = USAGE | {"prompt_tokens_details": {"cached_tokens": 90_000}}
    with provider(chunk('{"word": ""}', "stop", usage=usage)) as url:
        make_meter(openai_base_url=url).complete(account.question())
    call = account.call()
    assert (call.prompt_tokens, call.cached_tokens) == (1000, 1000)
    assert call.cost_microdollars == 10 + 50


def test_cached_tokens_are_cheaper_and_reasoning_is_part_of_the_completion(make_meter, account):
    details = {
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 60},
    }
    with provider(chunk('{"word": ""}', "stop", usage=USAGE | details)) as url:
        make_meter(openai_base_url=url).complete(account.question())
    call = account.call()
    assert call.model == "its-own-name"
    assert (call.prompt_tokens, call.cached_tokens) == (1000, 600)
    assert (call.completion_tokens, call.reasoning_tokens) == (100, 60)
    # 400 × 0.10 + 600 × 0.01 + 100 × 0.50 dollars per million tokens
    assert call.cost_microdollars == 40 + 6 + 50


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "1e12"}, 86_400.0),
    ],
)
def test_what_the_provider_says_about_waiting(make_meter, account, headers, after):
    error = {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}
    with provider(error, status=429, headers=headers) as url, pytest.raises(ModelBusy) as failure:
        make_meter(openai_base_url=url).complete(account.question())
    assert failure.value.after == after


def test_no_error_repeats_what_was_said(make_meter, account):
    error = {"error": {"message": "cannot read: my secret call"}}
    with provider(error, status=400) as url, pytest.raises(ModelRefused) as failure:
        make_meter(openai_base_url=url).complete(account.question("my secret call"))
    assert "secret" not in str(failure.value)
    assert "secret" not in account.call().error
