"""The JSON of /api/analytics. Rates and ratios are 0–1 and null where there is nothing to divide."""

from datetime import date
from uuid import UUID

from pydantic import Field

from clozone.analytics.periods import Period
from clozone.web.schema import RequestModel, ResponseModel

DEFAULT_LIMIT = 25
MAX_LIMIT = 100


class AnalyticsQuery(RequestModel):
    """Which days to report on."""

    period: Period = Field(Period.month, description="The last days, in UTC, with today.")


class RankingQuery(AnalyticsQuery):
    """Which days to report on, and how many lines to give."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Most items.")


class Figures(ResponseModel):
    """What came of some sessions.

    `sessions` counts calls that were graded or could not be. Scores are those that count: a
    manager's override in place of the machine's. Percentiles are exact (nearest rank). `minutes`,
    `closed_won` and the calls' cost count from the moment they are known.
    """

    sessions: int
    graded: int
    not_gradable: int
    passed: int
    pass_rate: float | None
    average_score: float | None
    score_p50: int | None
    score_p90: int | None
    closed_won: int
    minutes: float
    average_talk_ratio: float | None
    call_cost_microdollars: int


class DayFigures(ResponseModel):
    """What came of the sessions of one day; all zero where there were none."""

    day: date
    sessions: int
    graded: int
    not_gradable: int
    passed: int
    pass_rate: float | None
    average_score: float | None
    closed_won: int
    minutes: float


class _Report(ResponseModel):
    period: Period
    first_day: date = Field(serialization_alias="from")
    last_day: date = Field(serialization_alias="to")


class AnalyticsReport(_Report):
    """A period, the one before it to compare with, and the period day by day."""

    totals: Figures
    previous: Figures
    by_day: list[DayFigures]


class UserFigures(Figures):
    """What came of one person's sessions. `rank` 1 has the best average score."""

    rank: int
    user_id: UUID
    user_name: str


class TemplateFigures(Figures):
    """What came of one template's sessions; the template is null for calls without one."""

    rank: int
    template_id: UUID | None
    template_name: str | None


class UserRanking(_Report):
    """The people with the best average scores; `has_more` when others follow."""

    items: list[UserFigures]
    has_more: bool


class TemplateRanking(_Report):
    """The templates with the best average scores; `has_more` when others follow."""

    items: list[TemplateFigures]
    has_more: bool
