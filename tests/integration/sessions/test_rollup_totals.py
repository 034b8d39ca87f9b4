"""The rollup as running totals: what is noted, when it is applied, and to which rows."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.practice import Practice

from clozone.infra.cache import forget_analytics
from clozone.infra.cache_version import version_key
from clozone.infra.postgres import Scope, after_commit, before_commit, database, unit_of_work
from clozone.infra.redis import sync_redis
from clozone.kit.clock import now
from clozone.models.operations import DailyStat
from clozone.sessions.rollup import EVERY_TEMPLATE, EVERYONE, NO_TEMPLATE, changing

DAYS = [datetime(2026, 3, day, 12, tzinfo=UTC) for day in range(1, 6)]


def graded(practice, user_id, template_id):
    """Day of March → graded sessions of this grain up to then."""
    with unit_of_work(practice.scope):
        rows = DailyStat.select().where(
            DailyStat.user_id == user_id, DailyStat.template_id == template_id
        )
        return {row.day.day: row.graded for row in rows}


def test_a_row_holds_everything_up_to_its_day_in_four_grains(practice):
    practice.graded(40, created_at=DAYS[0])
    practice.graded(60, created_at=DAYS[2], template=1)
    practice.graded(80, created_at=DAYS[4], user_id=practice.other_rep)
    first, second = practice.templates
    assert graded(practice, practice.rep, first) == {1: 1}
    assert graded(practice, practice.rep, second) == {3: 1}
    assert graded(practice, practice.rep, EVERY_TEMPLATE) == {1: 1, 3: 2}
    assert graded(practice, EVERYONE, first) == {1: 1, 5: 2}
    assert graded(practice, EVERYONE, EVERY_TEMPLATE) == {1: 1, 3: 2, 5: 3}
    assert graded(practice, practice.other_rep, EVERY_TEMPLATE) == {5: 1}


def test_a_late_event_changes_every_later_day(practice):
    practice.graded(40, created_at=DAYS[0])
    practice.graded(40, created_at=DAYS[4])
    practice.graded(40, created_at=DAYS[2])
    assert graded(practice, EVERYONE, EVERY_TEMPLATE) == {1: 1, 3: 2, 5: 3}
    practice.graded(40, created_at=DAYS[0] - timedelta(days=1))
    assert sorted(graded(practice, EVERYONE, EVERY_TEMPLATE).values()) == [1, 2, 3, 4]
    assert practice.rollup() == practice.recount()


def test_a_day_can_go_back_to_nothing(practice):
    first, last = practice.graded(40, created_at=DAYS[0]), practice.graded(60, created_at=DAYS[4])
    practice.change(first, deleted_at=now())
    assert graded(practice, EVERYONE, EVERY_TEMPLATE) == {1: 0, 5: 1}
    assert practice.rollup() == practice.recount()
    practice.change(last, deleted_at=now())
    assert practice.rollup() == practice.recount() == {}


def test_a_session_without_a_template_has_a_grain(practice):
    session_id = practice.session(template=None, created_at=DAYS[0])
    practice.change(session_id, status="not_gradable")
    with unit_of_work(practice.scope):
        grains = {(row.user_id, row.template_id) for row in DailyStat.select()}
    assert (practice.rep, NO_TEMPLATE) in grains
    assert (EVERYONE, NO_TEMPLATE) in grains


def test_a_move_to_another_template_leaves_the_totals_of_all_alone(practice):
    session_id = practice.graded(55, created_at=DAYS[0])
    with unit_of_work(practice.scope):
        before = version_of_all()
    practice.change(session_id, template_id=practice.templates[1])
    with unit_of_work(practice.scope):
        assert version_of_all() == before
    assert practice.rollup() == practice.recount()


def version_of_all() -> Any:
    sql = "SELECT xmin FROM daily_stats WHERE user_id = %s AND template_id = %s"
    return database.execute_sql(sql, (EVERYONE, EVERY_TEMPLATE)).fetchall()


def test_sessions_changed_together_are_applied_together(practice):
    days = [0, 0, 3, 1]
    sessions = [practice.session(created_at=DAYS[day]) for day in days]
    with unit_of_work(practice.scope):
        for number, session_id in enumerate(sessions):
            with changing(session_id) as session:
                session.status = "not_gradable"
                session.call_cost_microdollars = number
        with changing(sessions[0]) as session:
            session.closed = True
        assert DailyStat.select().count() == 0
    assert practice.rollup() == practice.recount() != {}


def test_what_a_savepoint_took_back_is_not_applied(practice):
    kept, taken_back, after = (practice.session(created_at=DAYS[0]) for _ in range(3))

    def close(session_id):
        with changing(session_id) as session:
            session.closed = True

    with unit_of_work(practice.scope):
        close(kept)
        with pytest.raises(ZeroDivisionError), database.atomic():
            close(taken_back)
            raise ZeroDivisionError
        with database.atomic():
            close(after)
    ((_, row),) = practice.rollup().items()
    assert row["closed_won"] == 2
    assert practice.rollup() == practice.recount()


def test_a_unit_of_work_whose_only_change_was_taken_back_changes_nothing(practice):
    session_id = practice.session()
    with unit_of_work(practice.scope), pytest.raises(ZeroDivisionError), database.atomic():
        with changing(session_id) as session:
            session.closed = True
        raise ZeroDivisionError
    with unit_of_work(practice.scope):
        assert DailyStat.select().count() == 0


def test_nothing_waits_for_a_change_before_it_commits(practice):
    first, second = practice.session(created_at=DAYS[0]), practice.session(created_at=DAYS[0])
    with unit_of_work(practice.scope):
        with changing(first) as session:
            session.closed = True
        other = threading.Thread(target=practice.change, args=(second,), kwargs={"closed": True})
        other.start()
        other.join(10)
        assert not other.is_alive()
    ((_, row),) = practice.rollup().items()
    assert row["closed_won"] == 2


def test_changes_of_several_organisations_cannot_block_each_other(practice):
    practices = [practice, Practice()]
    sessions = [[each.session() for _ in range(2)] for each in practices]
    barrier, failures = threading.Barrier(2), []

    def work(order, number):
        try:
            with unit_of_work(Scope.platform()):
                # Before the rollup is locked, so that both come to it at the same time.
                before_commit(lambda: barrier.wait(10))
                for place in order:
                    with changing(sessions[place][number]) as session:
                        session.closed = True
        except Exception as error:
            failures.append(error)

    for _ in range(10):
        threads = [
            threading.Thread(target=work, args=arguments)
            for arguments in (([0, 1], 0), ([1, 0], 1))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        for each, ids in zip(practices, sessions, strict=True):
            assert each.rollup() == each.recount() != {}
            for session_id in ids:
                each.change(session_id, closed=None)


def test_concurrent_changes_of_several_days_all_count(practice):
    sessions = [practice.session(created_at=DAYS[n % 5], template=n % 2) for n in range(40)]
    failures = []

    def work(mine):
        try:
            for session_id in mine:
                practice.grade(session_id, 50)
                practice.override(session_id, 75)
                practice.change(session_id, closed=True, duration_seconds=1.5)
            practice.change(mine[0], deleted_at=now())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(sessions[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert practice.rollup() == practice.recount()
    assert graded(practice, EVERYONE, EVERY_TEMPLATE)[5] == 36


def test_whoever_is_told_of_a_change_finds_the_cached_answers_gone(practice, settings):
    redis, key = sync_redis(settings.cache_url), version_key(practice.org_id)
    session_id, versions = practice.session(), []
    forget_analytics(practice.org_id)
    before = redis.get(key)
    with unit_of_work(practice.scope):
        after_commit(lambda: versions.append(redis.get(key)))
        with changing(session_id) as session:
            session.closed = True
    assert versions[0] not in (before, None)
