"""The JSON of the answers, from the rows of the rollup. `schemas` describes it; a test compares."""

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
    totals: dict[Any, Sums] = {}
    edges: dict[Any, tuple[Sums, Sums]] = {}
    for day, *sums, score_counts in rows:
        if score_counts is None:
            totals[day] = sums
        else:
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
            "by_day": _by_day(span, middle[0], totals),
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


def _by_day(span: Span, before: Sums, totals: dict[Any, Sums]) -> list[dict[str, Any]]:
    """The `DayFigures` of each day; `totals` has the days on which something changed."""
    found = []
    for day in span.days():
        total = totals.get(day)
        if total is None:
            found.append({"day": day.isoformat(), **_EMPTY_DAY})
            continue
        sessions, graded, passed, not_gradable, closed_won, score_sum, duration_ms, *_ = difference(
            total, before
        )
        found.append(
            {
                "day": day.isoformat(),
                "sessions": sessions,
                "graded": graded,
                "not_gradable": not_gradable,
                "passed": passed,
                "pass_rate": round(passed / graded, 4) if graded else None,
                "average_score": round(score_sum / graded, 2) if graded else None,
                "closed_won": closed_won,
                "minutes": minutes(duration_ms),
            }
        )
        before = total
    return found
