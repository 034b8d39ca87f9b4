"""What Vapi charged for a call, in integer micro-dollars."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from clozone.webhooks.fields import at, decimal, first_name, mapping_at

# A call at more than this (dollars) is a mistake in the message, and would overflow the column.
_HIGHEST_COST = Decimal(1_000_000)
# `costBreakdown` names the parts differently from `costs[].type`; ours are the latter's names.
_PART_NAMES = {"stt": "transcriber", "llm": "model", "tts": "voice"}
_PARTS = ("transport", "stt", "llm", "tts", "vapi", "chat")
_ANALYSES = ("summary", "structuredData", "successEvaluation", "structuredOutput")
_PLACES = ("", "call.", "artifact.")


def read_costs(message: Mapping[str, Any]) -> tuple[int | None, dict[str, int]]:
    """The total and its parts (transport, transcriber, model, voice, vapi, analysis …).

    Taken from `costs[]`, else `costBreakdown` (its total, else the sum of its parts), else `cost`,
    in the message before the call object. Added up exactly, rounded once, half up. The total is
    None when none of them is told.
    """
    parts = next((found for p in _PLACES if (found := _itemised(at(message, f"{p}costs")))), {})
    if parts:
        return _microdollars(sum(parts.values(), Decimal(0))), _rounded(parts)
    breakdown = next((b for p in _PLACES if (b := mapping_at(message, f"{p}costBreakdown"))), {})
    parts = _broken_down(breakdown)
    total = _amount(breakdown.get("total"))
    if total is None and parts:
        total = sum(parts.values(), Decimal(0))
    if total is None:
        total = next(
            (c for p in _PLACES if (c := _amount(at(message, f"{p}cost"))) is not None), None
        )
    return (None if total is None else _microdollars(total)), _rounded(parts)


def _itemised(costs: object) -> dict[str, Decimal]:
    parts: dict[str, Decimal] = defaultdict(Decimal)
    for entry in costs if isinstance(costs, list) else []:
        amount = _amount(at(entry, "cost"))
        if amount is not None:
            parts[first_name(entry, "type") or "other"] += amount
    return dict(parts)


def _broken_down(breakdown: Mapping[str, Any]) -> dict[str, Decimal]:
    parts = {_PART_NAMES.get(n, n): a for n, a in _amounts(breakdown, _PARTS)}
    analyses = [a for _, a in _amounts(mapping_at(breakdown, "analysisCostBreakdown"), _ANALYSES)]
    if analyses:
        parts["analysis"] = sum(analyses, Decimal(0))
    return parts


def _amounts(source: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, Decimal]]:
    return ((name, a) for name in names if (a := _amount(source.get(name))) is not None)


def _amount(value: object) -> Decimal | None:
    amount = decimal(value)
    return amount if amount is not None and 0 <= amount <= _HIGHEST_COST else None


def _rounded(parts: Mapping[str, Decimal]) -> dict[str, int]:
    return {name: _microdollars(amount) for name, amount in parts.items()}


def _microdollars(dollars: Decimal) -> int:
    return int((dollars * 1_000_000).quantize(Decimal(1), ROUND_HALF_UP))
