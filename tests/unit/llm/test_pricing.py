from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.llm.pricing import Price
from clozone.llm.request import Usage

LUNA = Price("a test", input=100_000, cached_input=10_000, output=500_000)
tokens = st.integers(0, 10**7)


@pytest.mark.parametrize(
    ("usage", "microdollars"),
    [
        (Usage(prompt=1_000_000, cached=0, completion=0, reasoning=0), 100_000),
        (Usage(prompt=1_000_000, cached=1_000_000, completion=0, reasoning=0), 10_000),
        (Usage(prompt=0, cached=0, completion=1_000_000, reasoning=0), 500_000),
        # Reasoning is among the completion, and not charged again.
        (Usage(prompt=0, cached=0, completion=1_000_000, reasoning=900_000), 500_000),
        # 0.4, 0.5 and 1.5 micro-dollars: a half goes up.
        (Usage(prompt=4, cached=0, completion=0, reasoning=0), 0),
        (Usage(prompt=0, cached=0, completion=1, reasoning=0), 1),
        (Usage(prompt=0, cached=0, completion=3, reasoning=0), 2),
        # Rounded once, not per kind of token: 0.4 + 0.4 + 0.5.
        (Usage(prompt=44, cached=40, completion=1, reasoning=0), 1),
        (Usage(prompt=0, cached=0, completion=0, reasoning=0), 0),
    ],
)
def test_a_call_costs_what_its_tokens_cost(usage, microdollars):
    assert LUNA.of(usage) == microdollars


@given(prompt=tokens, cached=tokens, completion=tokens, more=tokens)
def test_more_tokens_never_cost_less_and_cached_ones_never_more(prompt, cached, completion, more):
    cached = min(cached, prompt)
    cost = LUNA.of(Usage(prompt, cached, completion, 0))
    assert LUNA.of(Usage(prompt + more, cached, completion, 0)) >= cost
    assert LUNA.of(Usage(prompt, cached, completion + more, 0)) >= cost
    assert LUNA.of(Usage(prompt, 0, completion, 0)) >= cost


@given(prompt=tokens, completion=tokens)
def test_large_amounts_lose_nothing(prompt, completion):
    dear = Price("a test", input=999_999_999, cached_input=0, output=999_999_999)
    total = (prompt + completion) * 999_999_999
    assert dear.of(Usage(prompt, 0, completion, 0)) == (total + 500_000) // 1_000_000


def test_the_configured_model_has_a_published_price():
    from clozone.llm.pricing import _published
    from clozone.settings import Settings

    model = Settings.model_fields["llm_model"].default
    price = _published(model, datetime(2026, 11, 24, tzinfo=UTC))
    assert price is not None
    assert (price.input, price.cached_input, price.output) == (100_000, 10_000, 500_000)
    assert _published("a-model-nobody-sells", datetime(2026, 11, 24, tzinfo=UTC)) is None
