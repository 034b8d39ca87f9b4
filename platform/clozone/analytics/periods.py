"""The periods that are reported on: whole days in UTC, today's included."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

from clozone.kit.clock import now


class Period(StrEnum):
    """How far back a report looks."""

    week = "7d"
    month = "30d"
    quarter = "90d"

    @property
    def days(self) -> int:
        """Its length."""
        return int(self.value.removesuffix("d"))


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive days, the first and the last included."""

    first: date
    last: date

    @classmethod
    def of(cls, period: Period, last: date | None = None) -> "Span":
        """The days of a period that ends today, or on `last`."""
        return _ending(period, last or now().date())

    @property
    def length(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1

    def preceding(self) -> "Span":
        """As many days right before these."""
        return Span(self.first - timedelta(days=self.length), self.first - timedelta(days=1))

    @property
    def before(self) -> date:
        """The day before its first."""
        return self.first - timedelta(days=1)

    def days(self) -> list[date]:
        """Each of its days, in order."""
        return [self.first + timedelta(days=number) for number in range(self.length)]


@lru_cache(maxsize=16)  # every reader asks for the same few
def _ending(period: Period, last: date) -> Span:
    return Span(last - timedelta(days=period.days - 1), last)
