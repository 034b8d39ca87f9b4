from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.analytics.figures import NOTHING, difference, figures, percentiles
from clozone.analytics.periods import Period, Span


def counts_of(scores):
    counts = [0] * 101
    for score in scores:
        counts[score] += 1
    return counts


@pytest.mark.parametrize(
    ("scores", "percent", "expected"),
    [
        ([], 50, None),
        ([0], 50, 0),
        ([0], 90, 0),
        ([100], 50, 100),
        ([40, 60], 50, 40),
        ([40, 60, 80], 50, 60),
        ([40, 60, 80, 100], 50, 60),
        (list(range(1, 101)), 90, 90),
        (list(range(101)), 50, 50),
        (list(range(101)), 90, 90),
        ([10] * 9 + [90], 90, 10),
        ([10] * 9 + [90, 90], 90, 90),
    ],
)
def test_percentiles_are_by_nearest_rank(scores, percent, expected):
    assert percentiles(counts_of(scores), percent) == [expected]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=200), st.integers(1, 100))
def test_a_percentile_is_the_score_at_its_rank(scores, percent):
    rank = -(-len(scores) * percent // 100)
    assert percentiles(counts_of(scores), percent) == [sorted(scores)[rank - 1]]


def test_figures_without_sessions_have_no_rates():
    found = figures(NOTHING, counts_of([]))
    rates = ("pass_rate", "average_score", "average_talk_ratio", "score_p50", "score_p90")
    assert [found[name] for name in rates] == [None] * 5
    assert found["minutes"] == 0


def test_figures_divide_by_what_they_are_about():
    found = figures((10, 8, 3, 2, 1, 501, 605_000, 1_301, 3, 7), counts_of([40, 60, 80]))
    assert found == {
        "sessions": 10,
        "graded": 8,
        "not_gradable": 2,
        "passed": 3,
        "pass_rate": 0.375,
        "average_score": 62.62,
        "score_p50": 60,
        "score_p90": 80,
        "closed_won": 1,
        "minutes": 10.1,
        "average_talk_ratio": 0.434,
        "call_cost_microdollars": 7,
    }


def test_what_was_added_between_two_days_is_their_difference():
    assert difference(range(10, 20), range(10)) == (10,) * 10


@pytest.mark.parametrize(
    ("period", "first"),
    [
        (Period.week, date(2026, 2, 24)),
        (Period.month, date(2026, 2, 1)),
        (Period.quarter, date(2025, 12, 3)),
    ],
)
def test_a_period_ends_with_its_last_day(period, first):
    span = Span.of(period, date(2026, 3, 2))
    assert (span.first, span.last, span.length) == (first, date(2026, 3, 2), period.days)
    assert span.days()[0] == first
    assert span.days()[-1] == span.last
    assert len(span.days()) == period.days


def test_the_preceding_days_end_where_a_period_begins():
    span = Span(date(2026, 3, 1), date(2026, 3, 7))
    assert span.preceding() == Span(date(2026, 2, 22), date(2026, 2, 28))
    assert span.before == span.preceding().last
