"""Rows of the rollup become the JSON that the schemas describe, byte for byte."""

from datetime import date, timedelta
from itertools import accumulate
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.support.analytics import parsed

from clozone.analytics import shaping
from clozone.analytics.periods import Period, Span
from clozone.analytics.schemas import AnalyticsReport, TemplateRanking, UserRanking

SPAN = Span.of(Period.week, date(2026, 3, 10))
SOMEBODY = UUID("01a20e2a-8a78-7076-b2df-ea234cd76571")
NO_SCORES = [0] * 101

# What a day adds: graded, and whether all of them passed with which score.
day = st.none() | st.tuples(
    st.integers(0, 10**9), st.integers(0, 100), st.integers(0, 10**12), st.integers(0, 10**15)
)


def sums(graded, score, duration_ms, cost):
    passed = graded if score >= 70 else 0
    talk = (graded * 414, graded)
    return (graded + 1, graded, passed, 1, 1, graded * score, duration_ms, *talk, cost)


def scores(graded, score):
    counts = [0] * 101
    counts[score] = graded
    return counts


def add(first, second):
    return tuple(map(sum, zip(first, second, strict=True)))


@given(st.lists(day, min_size=14, max_size=14), st.booleans())
def test_a_report_is_what_its_schema_says(added, began_earlier):
    """The days of the week and of the one before, with something before them or not."""
    start = ((5,) * 10, [3] * 101) if began_earlier else ((0,) * 10, NO_SCORES)
    totals = list(
        accumulate(
            [
                ((0,) * 10, NO_SCORES) if each is None else (sums(*each), scores(*each[:2]))
                for each in added
            ],
            lambda total, more: (add(total[0], more[0]), add(total[1], more[1])),
            initial=start,
        )
    )
    rows = [
        (SPAN.first + timedelta(days=number), *totals[8 + number][0], None)
        for number, each in enumerate(added[7:])
        if each is not None
    ]
    edges = [(SPAN.last, totals[14]), (SPAN.before, totals[7])]
    edges += [(SPAN.preceding().before, start)] if began_earlier else []
    rows += [(day, *total, list(counts)) for day, (total, counts) in edges]

    found = parsed(AnalyticsReport, shaping.report(SPAN, rows))

    for part, days in ((found.previous, added[:7]), (found.totals, added[7:])):
        kept = [each for each in days if each is not None]
        assert part.graded == sum(each[0] for each in kept)
        assert part.sessions == part.graded + len(kept)
        assert part.call_cost_microdollars == sum(each[3] for each in kept)
        expected = sorted((score, graded) for graded, score, _, _ in kept if graded)
        assert part.score_p90 == nearest_rank(expected, 90)
    for figures, each in zip(found.by_day, added[7:], strict=True):
        assert figures.graded == (0 if each is None else each[0])
        assert figures.average_score == (each[1] if each is not None and each[0] else None)
        assert figures.minutes == (0 if each is None else round(each[2] / 60_000, 1))


def nearest_rank(scored, percent):
    reached, rank = 0, -(-sum(graded for _, graded in scored) * percent // 100)
    for score, graded in scored:
        reached += graded
        if reached >= rank:
            return score
    return None


def test_a_report_of_nothing_has_every_day():
    found = parsed(AnalyticsReport, shaping.report(SPAN, []))
    assert [each.day for each in found.by_day] == SPAN.days()
    assert found.totals == found.previous
    assert (found.totals.sessions, found.totals.score_p50) == (0, None)


def test_people_are_named_as_they_are_and_counted_from_what_was_before():
    name = 'Zoë "Z" O\\Neill\n'
    now, before = scores(7, 80), scores(3, 80)
    rows = [
        (SOMEBODY, name, *sums(4, 80, 60_000, 0), now, before),
        (SOMEBODY, name, *sums(0, 0, 0, 0), NO_SCORES, None),
        (SOMEBODY, name, *sums(0, 0, 0, 0), NO_SCORES, None),
    ]
    found = parsed(UserRanking, shaping.ranking(SPAN, 2, rows, "user"))
    assert [(item.rank, item.user_name, item.average_score) for item in found.items] == [
        (1, name, 80.0),
        (2, name, None),
    ]
    assert (found.items[0].score_p50, found.items[0].user_id) == (80, SOMEBODY)
    assert found.has_more


def test_calls_without_a_template_come_under_null():
    rows = [(None, None, *sums(1, 50, 0, 0), scores(1, 50), None)]
    found = parsed(TemplateRanking, shaping.ranking(SPAN, 1, rows, "template"))
    assert (found.items[0].template_id, found.items[0].template_name) == (None, None)
    assert not found.has_more
