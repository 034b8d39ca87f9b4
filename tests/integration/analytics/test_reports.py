from datetime import UTC, datetime, timedelta

import pytest
from tests.support.analytics import Analytics
from tests.support.practice import Practice

from clozone.analytics.periods import Period, Span
from clozone.infra.postgres import database, unit_of_work

LAST = datetime(2026, 3, 10, tzinfo=UTC)
SPAN = Span.of(Period.week, LAST.date())


def at(days_ago, hour=12):
    return LAST + timedelta(hours=hour) - timedelta(days=days_ago)


@pytest.fixture
def analytics(practice, settings):
    return Analytics(settings, practice.org_id)


def test_a_report_of_nothing_is_zeros_for_every_day(practice, analytics):
    found = analytics.report(SPAN)
    assert [day.day for day in found.by_day] == SPAN.days()
    assert {day.sessions for day in found.by_day} == {0}
    assert {day.average_score for day in found.by_day} == {None}
    assert found.totals == found.previous
    assert (found.totals.sessions, found.totals.average_score, found.totals.score_p50) == (
        0,
        None,
        None,
    )


def test_days_belong_to_the_period_the_one_before_or_neither(practice, analytics):
    for days_ago, score in ((0, 10), (6, 20), (7, 30), (13, 40), (14, 50)):
        practice.graded(score, created_at=at(days_ago, hour=0))
    practice.graded(60, created_at=at(0, hour=24) - timedelta(microseconds=1))
    practice.graded(70, created_at=at(-1, hour=0))
    found = analytics.report(SPAN)
    assert (found.totals.graded, found.totals.average_score) == (3, 30.0)
    assert (found.previous.graded, found.previous.average_score) == (2, 35.0)
    by_day = {day.day: day for day in found.by_day}
    assert by_day[LAST.date()].graded == 2
    assert by_day[LAST.date()].average_score == 35.0
    assert by_day[SPAN.first].average_score == 20.0
    assert sum(day.sessions for day in found.by_day) == 3


def test_totals_say_what_came_of_the_sessions(practice, analytics):
    for score in (50, 70, 90):
        practice.graded(score, created_at=at(1))
    lost = practice.session(created_at=at(2))
    practice.change(lost, status="not_gradable")
    won = practice.session(practice.other_rep, created_at=at(2))
    practice.change(
        won,
        status="failed",
        closed=True,
        duration_seconds=90.0,
        metrics={"talk_ratio": 0.5},
        call_cost_microdollars=1_500_000,
    )
    totals = analytics.report(SPAN).totals
    assert totals.model_dump() == {
        "sessions": 4,
        "graded": 3,
        "not_gradable": 1,
        "passed": 2,
        "pass_rate": 0.6667,
        "average_score": 70.0,
        "score_p50": 70,
        "score_p90": 90,
        "closed_won": 1,
        "minutes": 1.5,
        "average_talk_ratio": 0.5,
        "call_cost_microdollars": 1_500_000,
    }


def test_an_override_replaces_the_score_and_a_deleted_session_is_gone(practice, analytics):
    overridden = practice.graded(40, created_at=at(0))
    deleted = practice.graded(100, created_at=at(0))
    practice.override(overridden, 80)
    practice.change(deleted, deleted_at=LAST)
    totals = analytics.report(SPAN).totals
    assert (totals.graded, totals.passed, totals.average_score, totals.score_p50) == (1, 1, 80, 80)


def test_a_person_alone(practice, analytics):
    practice.graded(90, created_at=at(1))
    practice.graded(30, user_id=practice.other_rep, created_at=at(1))
    assert analytics.report(SPAN, practice.rep).totals.average_score == 90
    assert analytics.report(SPAN, practice.rep).totals.score_p90 == 90
    assert analytics.report(SPAN).totals.average_score == 60


def test_another_organisation_counts_nothing(practice, settings):
    practice.graded(90, created_at=at(1))
    assert Analytics(settings, Practice().org_id).report(SPAN).totals.sessions == 0


def test_percentiles_are_those_of_the_sessions(practice, analytics):
    for number in range(40):
        practice.graded((number * 37) % 101, created_at=at(number % 7), template=number % 2)
    totals = analytics.report(SPAN).totals
    with unit_of_work(practice.scope):
        expected = database.execute_sql(
            "SELECT percentile_disc(array[0.5, 0.9]) WITHIN GROUP (ORDER BY score) "
            "FROM session_grades"
        ).fetchone()[0]
    assert [totals.score_p50, totals.score_p90] == expected


def test_people_are_ranked_by_average_score(practice, analytics):
    practice.graded(60, created_at=at(1))
    practice.graded(90, created_at=at(2), template=1)
    practice.graded(80, user_id=practice.other_rep, created_at=at(1))
    ungraded = practice.session(practice.manager, created_at=at(3))
    practice.change(ungraded, status="not_gradable")
    found = analytics.users(SPAN)
    assert [(item.rank, item.user_name, item.average_score) for item in found.items] == [
        (1, "Olga Sand", 80.0),
        (2, "Ravi Iyer", 75.0),
        (3, "Mara Voss", None),
    ]
    assert (found.items[1].score_p50, found.items[1].score_p90) == (60, 90)
    assert not found.has_more


def test_a_ranking_is_cut_at_its_limit_and_says_so(practice, analytics):
    practice.graded(60, created_at=at(1))
    practice.graded(80, user_id=practice.other_rep, created_at=at(1))
    found = analytics.users(SPAN, limit=1)
    assert [item.user_name for item in found.items] == ["Olga Sand"]
    assert found.has_more


def test_someone_whose_sessions_were_all_deleted_is_not_ranked(practice, analytics):
    session_id = practice.graded(60, created_at=at(1))
    practice.change(session_id, deleted_at=LAST)
    assert analytics.users(SPAN).items == []


@pytest.mark.parametrize("own", [True, False])
def test_templates_are_ranked_for_all_or_for_one(practice, own, analytics):
    practice.graded(60, created_at=at(1))
    practice.graded(70, created_at=at(1), template=1)
    practice.graded(100, user_id=practice.other_rep, created_at=at(1))
    practice.change(practice.session(template=None, created_at=at(1)), status="not_gradable")
    found = analytics.templates(SPAN, practice.rep if own else None)
    named = [(item.template_name, item.average_score) for item in found.items]
    averages = {"Template 1": 60.0 if own else 80.0, "Template 2": 70.0}
    expected = sorted(averages.items(), key=lambda item: -item[1])
    assert named == [*expected, (None, None)]
    assert found.items[-1].template_id is None
