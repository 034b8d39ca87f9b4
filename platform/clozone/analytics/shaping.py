"""The JSON of the answers, from the rows of the rollup. `schemas` describes it; a test compares."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import orjson

from clozone.analytics.figures import NOTHING, Sums, difference, figures, minutes
from clozone.analytics.periods import Span
from clozone.analytics.repository import Rows
from clozone.sessions.rollup import SCORES

_NO_SCORES = (0,) * SCORES
_EMPTY_DAY = {
    "sessions": 0,
    "graded": 0,
    "not_gradable": 0,
    "passed": 0,
    "pass_rate": None,
    "average_score": None,
    "closed_won": 0,
    "minutes": 0.0,
}


def report(span: Span, rows: Rows) -> bytes:
    """An `AnalyticsReport`."""
    days: dict[date, Sequence[Any]] = {}
    edges: dict[date, tuple[Sums, Sums]] = {}
    for row in rows:
        if row[-1] is None:
            days[row[0]] = row
        else:
            day, *sums, score_counts = row
            edges[day] = sums, score_counts
    nothing = (NOTHING, _NO_SCORES)
    end = edges.get(span.last, nothing)
    middle = edges.get(span.before, nothing)
    start = edges.get(span.preceding().before, nothing)
    return orjson.dumps(
        {
            **_head(span),
            "totals": _between(end, middle),
            "previous": _between(middle, start),
            "by_day": _by_day(span, middle[0], days),
        }
    )


def ranking(span: Span, limit: int, rows: Rows, about: str) -> bytes:
    """A `UserRanking` or a `TemplateRanking`; `about` is "user" or "template"."""
    return orjson.dumps(
        {
            **_head(span),
            "items": [
                {
                    **figures(sums, difference(counts, counts_before or _NO_SCORES)),
                    "rank": rank,
                    f"{about}_id": found_id and str(found_id),
                    f"{about}_name": name,
                }
                for rank, (found_id, name, *sums, counts, counts_before) in enumerate(
                    rows[:limit], start=1
                )
            ],
            "has_more": len(rows) > limit,
        }
    )


def _head(span: Span) -> dict[str, Any]:
    return {
        "period": f"{span.length}d",
        "from": span.first.isoformat(),
        "to": span.last.isoformat(),
    }


def _between(later: tuple[Sums, Sums], earlier: tuple[Sums, Sums]) -> dict[str, Any]:
    return figures(difference(later[0], earlier[0]), difference(later[1], earlier[1]))


def _by_day(span: Span, before: Sums, days: dict[date, Sequence[Any]]) -> list[dict[str, Any]]:
    """The `DayFigures` of each day; `days` has the rows of those on which something changed.

    Most of an answer's time is spent here: one loop, and no call that can be spared.
    """
    found = []
    sessions0, graded0, passed0, not_gradable0, closed_won0, score_sum0, duration_ms0, *_ = before
    for day, name in _named_days(span):
        row = days.get(day)
        if row is None:
            found.append({"day": name, **_EMPTY_DAY})
            continue
        _, sessions, graded, passed, not_gradable, closed_won, score_sum, duration_ms, *_ = row
        grades = graded - graded0
        found.append(
            {
                "day": name,
                "sessions": sessions - sessions0,
                "graded": grades,
                "not_gradable": not_gradable - not_gradable0,
                "passed": passed - passed0,
                "pass_rate": round((passed - passed0) / grades, 4) if grades else None,
                "average_score": round((score_sum - score_sum0) / grades, 2) if grades else None,
                "closed_won": closed_won - closed_won0,
                "minutes": minutes(duration_ms - duration_ms0),
            }
        )
        sessions0, graded0, passed0, not_gradable0 = sessions, graded, passed, not_gradable
        closed_won0, score_sum0, duration_ms0 = closed_won, score_sum, duration_ms
    return found


@lru_cache(maxsize=16)
def _named_days(span: Span) -> list[tuple[date, str]]:
    return [(day, day.isoformat()) for day in span.days()]
