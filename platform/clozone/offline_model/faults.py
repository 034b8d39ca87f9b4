"""Faults that a test switches on: for every call, for the next N, or for every Nth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from clozone.offline_model.errors import bad_request

CHAT_KINDS = frozenset(
    {
        "latency",
        "timeout",
        "rate_limit",
        "insufficient_quota",
        "server_error",
        "refusal",
        "truncated",
        "invalid_json",
        "jitter",
        "invented_quote",
        "slow_stream",
    }
)
BATCH_KINDS = frozenset({"batch_expired"})
FAULT_HEADER = "x-offline-fault"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong.

    `seconds`: how long to wait (latency, timeout, slow_stream between pieces) or to ask the caller
    to wait (rate_limit). `next`: only for so many calls. `every`: only for every Nth call. `seed`
    and `rate`: of jitter. `after`: lines that a batch answers before it expires.
    """

    kind: str
    seconds: float | None = None
    next: int | None = None
    every: int | None = None
    seed: int = 0
    rate: float = 0.2
    after: int = 0

    def seconds_or(self, default: float) -> float:
        """The seconds that were given, else `default`."""
        return default if self.seconds is None else self.seconds


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0

    @property
    def spent(self) -> bool:
        return self.fault.next is not None and self.seen >= self.fault.next

    def fires(self) -> bool:
        self.seen += 1
        if self.fault.next is not None:
            return self.seen <= self.fault.next
        return self.fault.every is None or self.seen % self.fault.every == 0


class FaultPlan:
    """The faults that are switched on, and how often each has been met."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def switch_to(self, faults: Iterable[Fault]) -> None:
        """Replace whatever is switched on."""
        self._armed = [_Armed(fault) for fault in faults]

    def take(self, kinds: frozenset[str]) -> tuple[Fault, ...]:
        """The faults of these kinds that hit the call which asks; counts the call."""
        hit = tuple(a.fault for a in self._armed if a.fault.kind in kinds and a.fires())
        self._armed = [armed for armed in self._armed if not armed.spent]
        return hit

    def as_json(self) -> list[dict[str, Any]]:
        """What is switched on, and how many calls each has seen."""
        return [
            {field.name: getattr(armed.fault, field.name) for field in fields(Fault)}
            | {"seen": armed.seen}
            for armed in self._armed
        ]


def read_faults(value: Any) -> list[Fault]:
    """A list of `{"kind": …}` objects as faults. Raises a 400."""
    if not isinstance(value, list):
        raise bad_request("'faults' must be a list.", "faults")
    return [_read_fault(part) for part in value]


def read_fault_header(value: str | None) -> list[Fault]:
    """`kind;name=number;…`, several separated by commas, as faults. Raises a 400."""
    if not value:
        return []
    faults = []
    for part in value.split(","):
        kind, *options = (piece.strip() for piece in part.split(";"))
        pairs = [option.partition("=") for option in options]
        try:
            numbers = {name: float(number) for name, _, number in pairs}
        except ValueError:
            raise bad_request(f"'{FAULT_HEADER}' takes numbers only.", FAULT_HEADER) from None
        whole = {name: int(n) if n == int(n) else n for name, n in numbers.items()}
        faults.append(_read_fault({"kind": kind} | whole))
    return faults


def _read_fault(value: Any) -> Fault:
    known = sorted(CHAT_KINDS | BATCH_KINDS)
    if not isinstance(value, Mapping) or value.get("kind") not in known:
        raise bad_request(f"A fault has a kind: one of {', '.join(known)}.", "kind")
    names = {field.name for field in fields(Fault)} - {"kind"}
    for name, number in value.items():
        if name == "kind":
            continue
        whole = name not in {"seconds", "rate"}
        if name not in names or isinstance(number, bool) or not isinstance(number, int | float):
            raise bad_request(f"A fault has numbers for {', '.join(sorted(names))} only.", name)
        least = 1 if name in {"next", "every"} else 0
        if number < least or (whole and not isinstance(number, int)):
            raise bad_request(f"'{name}' must be a number of at least {least}.", name)
    return Fault(**value)
