"""What tokens cost, in micro-dollars: an operator's own price first, then the published one.

Published prices come with the package genai-prices and are read offline. A model without a price is
"unpriced" (None), which is not the same as free.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from clozone.llm.request import Usage
from clozone.models.operations import PriceOverride

# Our own offline model answers by rules and bills nobody.
OFFLINE_PREFIX = "clozone-offline"
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars per million tokens, and where that was read."""

    source: str
    input: int
    cached_input: int
    output: int

    def of(self, usage: Usage) -> int:
        """Micro-dollars, a half rounded up. Cached tokens are part of the prompt and cost less."""
        total = (
            (usage.prompt - usage.cached) * self.input
            + usage.cached * self.cached_input
            + usage.completion * self.output
        )
        return int((Decimal(total) / _MILLION).quantize(Decimal(1), ROUND_HALF_UP))

    def to_json(self) -> dict[str, Any]:
        """The price as it is frozen into the account book."""
        return {
            "source": self.source,
            "input": self.input,
            "cached_input": self.cached_input,
            "output": self.output,
        }


def price_of(model: str, moment: datetime) -> Price | None:
    """The price of a model at a moment, or None when nobody has told. Needs an open unit of work."""
    override = (
        PriceOverride.select()
        .where(
            PriceOverride.model == model,
            PriceOverride.effective_from <= moment.astimezone(UTC).date(),
        )
        .order_by(PriceOverride.effective_from.desc())
        .first()
    )
    if override is not None:
        return Price(
            f"override of {override.effective_from}",
            override.input_microdollars,
            override.cached_input_microdollars,
            override.output_microdollars,
        )
    if model.startswith(OFFLINE_PREFIX):
        return Price("the offline model is free", 0, 0, 0)
    return _published(model, moment)


def _published(model: str, moment: datetime) -> Price | None:
    # Loading the table takes memory, which the web process never needs.
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    def per_million(**tokens: int) -> int:
        # A thousand tokens: our calls stay below the sizes from which some models cost more.
        priced = calc_price(Tokens(**tokens), model_ref=model, genai_request_timestamp=moment)
        return int((priced.total_price * _MILLION * 1_000).quantize(Decimal(1)))

    try:
        return Price(
            "genai-prices",
            input=per_million(input_tokens=1_000),
            cached_input=per_million(input_tokens=1_000, cache_read_tokens=1_000),
            output=per_million(output_tokens=1_000),
        )
    except LookupError:
        return None
