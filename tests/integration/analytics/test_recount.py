import subprocess
import sys
import threading

from tests.support.practice import Practice

from clozone.analytics import recount
from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.operations import DailyStat
from clozone.models.training import TrainingSession


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
        assert DailyStat.update(graded=DailyStat.graded + 5, score_counts=[1] * 101).execute()
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


def test_rows_that_hold_nothing_any_more_are_no_difference(practice):
    session_id = practice.graded(40)
    with unit_of_work(practice.scope):
        practice_rows = DailyStat.select().count()
    practice.change(session_id, template_id=practice.templates[1])
    with unit_of_work(practice.scope):
        assert DailyStat.select().count() == practice_rows + 1
    assert differences(practice) == []


def test_each_difference_is_named(practice):
    practice.graded(40)
    damage(practice)
    (difference,) = differences(practice)
    assert difference["user_id"] == practice.rep
    assert (difference["rollup_graded"], difference["recount_graded"]) == (6, 1)
    assert (difference["rollup_duration_ms"], difference["recount_duration_ms"]) == (0, 90_000)
    assert difference["rollup_passed"] == difference["recount_passed"] == 0


def test_missing_and_surplus_rows_are_differences(practice):
    practice.graded(40)
    with unit_of_work(practice.scope):
        DailyStat.update(user_id=practice.other_rep).execute()
    assert [row["recount_graded"] for row in differences(practice)] in ([0, 1], [1, 0])


def test_rebuilding_makes_it_a_recount_again(practice):
    some_sessions(practice)
    damage(practice)
    assert rebuild(practice) == 3
    assert differences(practice) == []
    assert practice.rollup() == practice.recount() != {}


def test_rebuilding_one_organisation_leaves_the_others(practice):
    other = Practice()
    for each in (practice, other):
        each.graded(40)
        damage(each)
    rebuild(practice)
    assert differences(practice) == []
    assert len(differences(other)) == 1


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


def test_the_command_line_finds_and_mends(practice, environment):
    some_sessions(practice)
    org = ("--org", str(practice.org_id))
    fine = clozone(environment, "verify", *org)
    assert (fine.returncode, fine.stdout) == (0, "the rollup equals a recount from the sessions\n")
    damage(practice)
    wrong = clozone(environment, "verify", *org)
    assert wrong.returncode == 1
    assert "graded 6, recounted 1" in wrong.stdout
    assert "3 rows differ" in wrong.stderr
    mended = clozone(environment, "rebuild", *org)
    assert (mended.returncode, mended.stdout) == (0, "rebuilt: 3 rows\n")
    assert clozone(environment, "verify", *org).returncode == 0


def test_the_command_line_takes_all_organisations(practice, environment):
    practice.graded(40)
    damage(practice)
    assert clozone(environment, "rebuild").returncode == 0
    assert clozone(environment, "verify").returncode == 0


def test_the_command_line_knows_no_other_organisation(environment, practice):
    answer = clozone(environment, "rebuild", "--org", str(practice.rep))
    assert answer.returncode == 2
    assert "no such organisation" in answer.stderr
