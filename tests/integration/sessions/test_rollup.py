import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.practice import BLOCKER, NOBODY, Practice

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.errors import NotFound
from clozone.models.training import SessionGrade, TrainingSession
from clozone.sessions.rollup import changing

DAYS = [datetime(2026, 3, 28, 23, 59, 59, 999999, UTC), datetime(2026, 3, 29, 0, 0, tzinfo=UTC)]

index = st.integers(0, 30)
score = st.integers(0, 100)
step = st.one_of(
    st.tuples(
        st.just("create"), st.booleans(), st.sampled_from([0, 1, None]), st.sampled_from(DAYS)
    ),
    st.tuples(st.just("grade"), index, score, st.booleans()),
    st.tuples(st.just("override"), index, st.none() | score),
    st.tuples(
        st.just("change"),
        index,
        st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(
                    ["in_progress", "processing", "completed", "not_gradable", "failed"]
                ),
                "closed": st.sampled_from([None, True, False]),
                "duration_seconds": st.none()
                | st.integers(0, 7_200_000).map(lambda milliseconds: milliseconds / 1000),
                "metrics": st.none()
                | st.fixed_dictionaries(
                    {"talk_ratio": st.none() | st.integers(0, 1000).map(lambda n: n / 1000)}
                ),
                "call_cost_microdollars": st.none() | st.integers(0, 10**12),
            },
        ),
    ),
    st.tuples(st.just("fail"), index),
    st.tuples(st.just("delete"), index),
)


def apply(practice: Practice, alive: list[Any], action: tuple[Any, ...]) -> None:
    name, *arguments = action
    if name == "create":
        mine, template, created_at = arguments
        user_id = practice.rep if mine else practice.other_rep
        alive.append(practice.session(user_id, template=template, created_at=created_at))
        return
    if not alive:
        return
    session_id = alive[arguments[0] % len(alive)]
    if name == "grade":
        practice.grade(session_id, arguments[1], blockers=[BLOCKER] if arguments[2] else [])
    elif name == "override":
        practice.override(session_id, arguments[1])
    elif name == "change":
        practice.change(session_id, **arguments[1])
    elif name == "fail":
        with pytest.raises(ZeroDivisionError), unit_of_work(practice.scope):
            with changing(session_id) as session:
                session.status = "completed"
                session.closed = True
            raise ZeroDivisionError
    else:
        practice.change(session_id, deleted_at=now())
        alive.remove(session_id)


@given(st.lists(step, max_size=25))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_rollup_is_always_a_recount(platform_db, steps):
    practice, alive = Practice(), []
    for action in [("create", True, 0, DAYS[0]), *steps]:
        apply(practice, alive, action)
    assert practice.rollup() == practice.recount()
    for session_id in alive:
        practice.change(session_id, deleted_at=now())
    assert practice.rollup() == {}


def test_a_graded_session_counts_once_with_its_final_score(practice):
    session_id = practice.session(created_at=DAYS[0])
    practice.change(
        session_id,
        duration_seconds=61.2345,
        metrics={"talk_ratio": 0.414},
        call_cost_microdollars=123_456,
        closed=True,
    )
    practice.grade(session_id, 64)
    practice.grade(session_id, 64)
    key = (DAYS[0].date(), practice.rep, practice.templates[0])
    expected = {
        "sessions": 1,
        "graded": 1,
        "passed": 0,
        "not_gradable": 0,
        "closed_won": 1,
        "score_sum": 64,
        "score_counts": {64: 1},
        "duration_ms": 61_235,
        "talk_ratio_permille": 414,
        "talk_ratio_sessions": 1,
        "call_cost_microdollars": 123_456,
    }
    assert practice.rollup() == {key: expected}
    practice.override(session_id, 70)
    assert practice.rollup() == {
        key: expected | {"passed": 1, "score_sum": 70, "score_counts": {70: 1}}
    }
    practice.override(session_id, None)
    assert practice.rollup() == {key: expected}


def test_an_override_does_not_lift_a_blocker(practice):
    session_id = practice.session()
    practice.grade(session_id, 90, passed=False, blockers=[BLOCKER])
    practice.override(session_id, 100)
    ((_, row),) = practice.rollup().items()
    assert (row["passed"], row["score_counts"]) == (0, {100: 1})


def test_a_session_without_a_template_has_a_place(practice):
    session_id = practice.session(template=None, created_at=DAYS[1])
    practice.change(session_id, status="not_gradable")
    (key,) = practice.rollup()
    assert key == (DAYS[1].date(), practice.rep, NOBODY)


def test_moving_a_session_to_another_template_moves_what_it_counts(practice):
    session_id = practice.graded(55)
    practice.change(session_id, template_id=practice.templates[1])
    assert {key[2] for key in practice.rollup()} == {practice.templates[1]}
    assert practice.rollup() == practice.recount()


def test_grades_that_land_at_the_same_time_all_count(practice):
    sessions = [practice.session(created_at=DAYS[0]) for _ in range(24)]
    failures = []

    def work(mine):
        try:
            for session_id in mine:
                practice.grade(session_id, 50)
                practice.override(session_id, 75)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(sessions[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    ((_, row),) = practice.rollup().items()
    assert (row["graded"], row["passed"], row["score_counts"]) == (24, 24, {75: 24})


def test_changes_of_one_session_wait_for_one_another(practice):
    session_id = practice.session()
    inside, go_on = threading.Event(), threading.Event()

    def first():
        with unit_of_work(practice.scope), changing(session_id) as session:
            session.status = "completed"
            inside.set()
            go_on.wait(10)
            session.closed = True

    def second():
        with unit_of_work(practice.scope), changing(session_id) as session:
            seen.append((session.status, session.closed))

    seen: list[Any] = []
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert seen == [("completed", True)]


def test_another_organisations_session_is_not_found(practice):
    session_id = practice.session()
    with pytest.raises(NotFound), unit_of_work(Practice().scope), changing(session_id):
        pass


def test_a_deleted_session_is_not_found(practice):
    session_id = practice.session()
    practice.change(session_id, deleted_at=now())
    with pytest.raises(NotFound), unit_of_work(practice.scope), changing(session_id):
        pass


def test_the_platform_can_change_any_session(practice):
    session_id = practice.session()
    with unit_of_work(Scope.platform()), changing(session_id) as session:
        session.status = "not_gradable"
    assert practice.rollup() == practice.recount() != {}


def test_what_is_assigned_is_saved_and_the_rest_is_left_alone(practice):
    session_id = practice.session(raw_transcript=[{"text": "hi"}])
    with unit_of_work(practice.scope), changing(session_id) as session:
        session.status = "processing"
        # Written past the row in hand: not to be overwritten with what was read before.
        TrainingSession.update(call_summary="told").where(
            TrainingSession.id == session_id
        ).execute()
    with unit_of_work(practice.scope):
        session = TrainingSession.get_by_id(session_id)
    assert (session.status, session.call_summary) == ("processing", "told")
    assert session.raw_transcript == [{"text": "hi"}]
    assert session.updated_at > session.created_at


def test_a_failure_leaves_session_grade_and_rollup_as_they_were(practice):
    session_id = practice.graded(80)
    before = practice.rollup()
    with pytest.raises(RuntimeError), unit_of_work(practice.scope):
        with changing(session_id) as session:
            session.status = "failed"
            SessionGrade.delete().where(SessionGrade.session_id == session_id).execute()
        raise RuntimeError
    assert practice.rollup() == before == practice.recount()
