import pytest

from clozone.infra.postgres import (
    Scope,
    after_commit,
    before_commit,
    database,
    unit_of_work,
)


def test_the_last_steps_run_in_the_transaction_and_before_what_follows_it(platform_db):
    seen = []

    def step(number):
        seen.append((number, database.in_transaction()))

    with unit_of_work(Scope.platform()):
        after_commit(lambda: step("after"))
        before_commit(lambda: step(1))
        before_commit(lambda: step(2))
        seen.append("block")
    assert seen == ["block", (1, True), (2, True), ("after", False)]


def test_a_step_that_is_asked_for_twice_runs_once(platform_db):
    seen = []

    def step():
        seen.append(1)

    with unit_of_work(Scope.platform()):
        before_commit(step)
        before_commit(step)
    assert seen == [1]


def test_a_block_that_fails_has_no_last_steps(platform_db):
    seen = []
    with pytest.raises(ZeroDivisionError), unit_of_work(Scope.platform()):
        before_commit(lambda: seen.append(1))
        raise ZeroDivisionError
    assert seen == []


def test_a_last_step_that_fails_rolls_everything_back(practice):
    def fail():
        raise ZeroDivisionError

    sql = "UPDATE organizations SET name = 'Other' WHERE id = %s"
    with pytest.raises(ZeroDivisionError), unit_of_work(practice.scope):
        database.execute_sql(sql, (practice.org_id,))
        before_commit(fail)
    with unit_of_work(practice.scope):
        assert database.execute_sql("SELECT name FROM organizations").fetchall() == [("Acme",)]


def test_without_a_unit_of_work_there_is_nothing_to_end():
    with pytest.raises(RuntimeError, match="no unit of work"):
        before_commit(lambda: None)


def test_a_last_step_cannot_ask_for_another(platform_db):
    def step():
        before_commit(step)

    with pytest.raises(RuntimeError, match="is ending"), unit_of_work(Scope.platform()):
        before_commit(step)
