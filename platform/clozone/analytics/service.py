"""Reports on an organisation's practice, or on one rep's, as the bytes that are sent."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from clozone.analytics import repository, shaping
from clozone.analytics.periods import Period, Span
from clozone.infra.reads import Reads


class Question(NamedTuple):
    """What an organisation asks: the name under which the answer is kept, and how to make it.

    `compute` takes the WAL position that the figures must include, 0 for any.
    """

    org_id: UUID
    name: str
    compute: Callable[[int], Awaitable[bytes]]


def report(reads: Reads, org_id: UUID, only_user: UUID | None, period: Period) -> Question:
    """The figures of a period that ends today and of the one before it; of one person's sessions,
    if given. The answer is an `AnalyticsReport`.
    """
    span = Span.of(period)

    async def compute(after: int) -> bytes:
        return await report_body(reads, org_id, only_user, span, after=after)

    return Question(org_id, f"report:{_days(span)}:{_whose(only_user)}", compute)


def users(reads: Reads, org_id: UUID, period: Period, limit: int) -> Question:
    """The people with the best average scores. The answer is a `UserRanking`."""
    span = Span.of(period)

    async def compute(after: int) -> bytes:
        return await users_body(reads, org_id, span, limit, after=after)

    return Question(org_id, f"users:{_days(span)}:{limit}", compute)


def templates(
    reads: Reads, org_id: UUID, only_user: UUID | None, period: Period, limit: int
) -> Question:
    """The templates with the best average scores; of one person's sessions, if given. The answer
    is a `TemplateRanking`.
    """
    span = Span.of(period)

    async def compute(after: int) -> bytes:
        return await templates_body(reads, org_id, only_user, span, limit, after=after)

    return Question(org_id, f"templates:{_days(span)}:{limit}:{_whose(only_user)}", compute)


async def report_body(
    reads: Reads, org_id: UUID, only_user: UUID | None, span: Span, *, after: int = 0
) -> bytes:
    """The JSON of an `AnalyticsReport` on these days."""
    rows = await repository.report(reads, org_id, only_user, span, after=after)
    return shaping.report(span, rows)


async def users_body(
    reads: Reads, org_id: UUID, span: Span, limit: int, *, after: int = 0
) -> bytes:
    """The JSON of a `UserRanking` on these days."""
    rows = await repository.users(reads, org_id, span, limit, after=after)
    return shaping.ranking(span, limit, rows, "user")


async def templates_body(
    reads: Reads, org_id: UUID, only_user: UUID | None, span: Span, limit: int, *, after: int = 0
) -> bytes:
    """The JSON of a `TemplateRanking` on these days."""
    rows = await repository.templates(reads, org_id, only_user, span, limit, after=after)
    return shaping.ranking(span, limit, rows, "template")


@lru_cache(maxsize=16)
def _days(span: Span) -> str:
    return f"{span.first}:{span.last}"


def _whose(only_user: UUID | None) -> str:
    return "all" if only_user is None else str(only_user)
