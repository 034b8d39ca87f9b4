import subprocess
import sys
import threading
from datetime import timedelta
from itertools import product

import pytest
from peewee import ProgrammingError
from tests.support.practice import Practice

from clozone.analytics import recount
from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.kit.clock import now
from clozone.models.operations import DailyStat
from clozone.models.training import TrainingSession
from clozone.sessions.rollup import EVERY_TEMPLATE, EVERYONE


def clozone(environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "clozone", "analytics", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def some_sessions(practice):
    practice.graded(40)
    practice.override(practice.graded(60, template=1), 75)
    practice.change(practice.session(practice.other_rep), status="not_gradable", closed=True)
    practice.session()


def damage(practice):
    with unit_of_work(practice.scope):
        assert DailyStat.update(graded=DailyStat.graded + 5, score_totals=[1] * 101).execute()
        TrainingSession.update(duration_seconds=90).execute()


def differences(practice):
    with unit_of_work(Scope.platform()):
        return recount.differences(practice.org_id)


def rebuild(practice):
    with unit_of_work(Scope.platform()):
        return recount.rebuild(practice.org_id)


def test_what_the_platform_wrote_is_a_recount(practice):
    some_sessions(practice)
    assert differences(practice) == []


def rows(practice):
    with unit_of_work(practice.scope):
        return DailyStat.select().count()


def test_rows_that_only_repeat_the_one_before_are_no_difference(practice):
    yesterday = practice.graded(40, created_at=now() - timedelta(days=1))
    session_id = practice.graded(40)
    assert rows(practice) == 8
    practice.change(session_id, template_id=practice.templates[1])
    assert rows(practice) == 10
    practice.change(session_id, deleted_at=now())
    practice.change(yesterday, deleted_at=now())
    assert rows(practice) == 10
    assert differences(practice) == []


def test_each_difference_is_named(practice):
    practice.graded(40)
    damage(practice)
    found = {(row["user_id"], row["template_id"]): row for row in differences(practice)}
    template = practice.templates[0]
    assert found.keys() == set(product([practice.rep, EVERYONE], [template, EVERY_TEMPLATE]))
    for difference in found.values():
        assert (difference["rollup_graded"], difference["recount_graded"]) == (6, 1)
        assert difference["rollup_score_counts"] == [1] * 101
        assert (difference["rollup_duration_ms"], difference["recount_duration_ms"]) == (0, 90_000)
        assert difference["rollup_passed"] == difference["recount_passed"] == 0


def test_a_difference_is_found_on_the_day_from_which_the_totals_are_wrong(practice):
    days = [now() - timedelta(days=days) for days in (3, 2, 1)]
    for day in days:
        practice.graded(40, created_at=day)
    with unit_of_work(practice.scope):
        DailyStat.update(graded=DailyStat.graded + 2).where(
            DailyStat.day >= days[1].date(), DailyStat.user_id == EVERYONE
        ).execute()
    found = differences(practice)
    assert {row["day"] for row in found} == {days[1].date()}
    assert {(row["rollup_graded"], row["recount_graded"]) for row in found} == {(3, 1)}
    assert len(found) == 2


def test_missing_and_surplus_rows_are_differences(practice):
    practice.graded(40)
    with unit_of_work(practice.scope):
        DailyStat.update(user_id=practice.other_rep).where(
            DailyStat.user_id == practice.rep
        ).execute()
    found = {(row["user_id"], row["recount_graded"]) for row in differences(practice)}
    assert found == {(practice.rep, 1), (practice.other_rep, 0)}


def test_rebuilding_makes_it_a_recount_again(practice):
    some_sessions(practice)
    damage(practice)
    assert rebuild(practice) == 8
    assert differences(practice) == []
    assert practice.rollup() == practice.recount() != {}


def test_rebuilding_one_organisation_leaves_the_others(practice):
    other = Practice()
    for each in (practice, other):
        each.graded(40)
        damage(each)
    rebuild(practice)
    assert differences(practice) == []
    assert len(differences(other)) == 4


def test_grades_that_land_while_it_is_rebuilt_count_once(practice):
    sessions = [practice.session() for _ in range(30)]
    failures = []
    done = threading.Event()

    def work():
        try:
            for session_id in sessions:
                practice.grade(session_id, 50)
                practice.override(session_id, 80)
        except Exception as error:
            failures.append(error)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    rebuilt = 0
    while not done.is_set():
        rebuild(practice)
        rebuilt += 1
    thread.join()
    assert failures == []
    assert rebuilt > 1
    assert practice.rollup() == practice.recount()
    ((_, row),) = practice.rollup().items()
    assert row["score_counts"] == {80: 30}


def test_a_rebuild_keeps_no_other_organisation_waiting(practice):
    other = Practice()
    with unit_of_work(Scope.platform()):
        recount.rebuild(practice.org_id)
        thread = threading.Thread(target=other.graded, args=(40,))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert other.rollup() == other.recount() != {}


def test_a_change_waits_a_second_at_most_for_a_rebuild_and_is_told_to_come_again(practice, manager):
    session_id = practice.session()
    with unit_of_work(Scope.platform()):
        recount.rebuild(practice.org_id)
        answer = manager.patch(f"/api/sessions/{session_id}", json={"closed": True})
    assert answer.status_code == 503
    assert "being rebuilt" in answer.json()["detail"]
    assert "retry-after" in answer.headers
    again = manager.patch(f"/api/sessions/{session_id}", json={"closed": True})
    assert again.status_code == 200
    assert practice.rollup() == practice.recount() != {}


def test_a_unit_of_work_gets_no_figures_of_another_organisation(practice):
    other = Practice()
    other.graded(50)
    report = "SELECT * FROM analytics_report(%s, %s, current_date - 5, current_date)"
    with (
        pytest.raises(ProgrammingError, match="another organisation"),
        unit_of_work(practice.scope),
    ):
        database.execute_sql(report, (other.org_id, EVERYONE))
    with unit_of_work(other.scope):
        assert database.execute_sql(report, (other.org_id, EVERYONE)).fetchall()


def test_the_command_line_finds_and_mends(practice, environment):
    some_sessions(practice)
    org = ("--org", str(practice.org_id))
    fine = clozone(environment, "verify", *org)
    assert (fine.returncode, fine.stdout) == (0, "the rollup equals a recount from the sessions\n")
    damage(practice)
    wrong = clozone(environment, "verify", *org)
    assert wrong.returncode == 1
    assert "graded 6, recounted 1" in wrong.stdout
    assert "8 rows differ" in wrong.stderr
    mended = clozone(environment, "rebuild", *org)
    assert (mended.returncode, mended.stdout) == (0, "rebuilt: 8 rows\n")
    assert clozone(environment, "verify", *org).returncode == 0


def test_the_command_line_takes_all_organisations(practice, environment):
    practice.graded(40)
    damage(practice)
    Practice()
    for verb in ("rebuild", "verify"):
        answer = clozone(environment, verb)
        assert answer.returncode == 0
        lines = answer.stderr.splitlines()
        assert len(lines) >= 2
        assert lines[0].startswith(f"1 of {len(lines)} organisations: ")
        assert sum(str(practice.org_id) in line for line in lines) == 1


def test_the_command_line_knows_no_other_organisation(environment, practice):
    answer = clozone(environment, "rebuild", "--org", str(practice.rep))
    assert answer.returncode == 2
    assert "no such organisation" in answer.stderr
