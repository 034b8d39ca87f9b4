"""Reports on an organisation's practice, or on one rep's."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from clozone.analytics import repository
from clozone.analytics.figures import Sums, percentile
from clozone.analytics.periods import Period, Span
from clozone.analytics.schemas import (
    AnalyticsReport,
    DayFigures,
    Figures,
    TemplateFigures,
    TemplateRanking,
    UserFigures,
    UserRanking,
)

_COUNTS = ("sessions", "graded", "not_gradable", "passed", "closed_won", "call_cost_microdollars")
_DERIVED = ("pass_rate", "average_score", "minutes", "average_talk_ratio")


def report(period: Period, span: Span, only_user: UUID | None) -> AnalyticsReport:
    """The figures of `span` and of the days before it; of one person's sessions, if given."""
    before = span.preceding()
    both = Span(before.first, span.last)
    sums = {row["day"]: Sums.of(row) for row in repository.daily(both, only_user)}
    totals, previous = (
        figures(
            Sums.total(sums[day] for day in part.days() if day in sums),
            repository.score_counts(part, only_user),
        )
        for part in (span, before)
    )
    return AnalyticsReport(
        period=period,
        first_day=span.first,
        last_day=span.last,
        totals=Figures(**totals),
        previous=Figures(**previous),
        by_day=[_day_figures(day, sums.get(day, Sums())) for day in span.days()],
    )


def rank_users(period: Period, span: Span, limit: int) -> UserRanking:
    """The people with the best average scores."""
    rows = repository.users(span, limit)
    return UserRanking(
        period=period,
        first_day=span.first,
        last_day=span.last,
        items=[
            UserFigures(
                rank=rank, user_id=row["user_id"], user_name=row["user_name"], **_row_figures(row)
            )
            for rank, row in enumerate(rows[:limit], start=1)
        ],
        has_more=len(rows) > limit,
    )


def rank_templates(
    period: Period, span: Span, limit: int, only_user: UUID | None
) -> TemplateRanking:
    """The templates with the best average scores; of one person's sessions, if given."""
    rows = repository.templates(span, limit, only_user)
    return TemplateRanking(
        period=period,
        first_day=span.first,
        last_day=span.last,
        items=[
            TemplateFigures(
                rank=rank,
                template_id=row["template_id"],
                template_name=row["template_name"],
                **_row_figures(row),
            )
            for rank, row in enumerate(rows[:limit], start=1)
        ],
        has_more=len(rows) > limit,
    )


def figures(sums: Sums, score_counts: Sequence[int]) -> dict[str, Any]:
    """The members of Figures."""
    return {
        **{name: getattr(sums, name) for name in (*_COUNTS, *_DERIVED)},
        "score_p50": percentile(score_counts, 50),
        "score_p90": percentile(score_counts, 90),
    }


def _row_figures(row: Mapping[str, Any]) -> dict[str, Any]:
    return figures(Sums.of(row), [int(count) for count in row["score_counts"]])


def _day_figures(day: Any, sums: Sums) -> DayFigures:
    return DayFigures(
        day=day,
        **{name: getattr(sums, name) for name in DayFigures.model_fields if name != "day"},
    )
