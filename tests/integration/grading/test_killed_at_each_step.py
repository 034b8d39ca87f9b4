"""A worker killed with SIGKILL at each step of grading: one grade, one scorecard, one contribution."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from graded_practice import GradedPractice, call, eventually
from peewee import fn
from tests.support.doomed_worker import STEPS
from tests.support.model import OfflineModel
from tests.support.processes import PlatformProcess

from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.operations import DailyStat, Job, JobAttempt
from clozone.models.training import Export, SessionGrade

KIND = "grading.grade_session"
# What the tries of the grading job look like in the end.
TRIES = {
    "before the claim": ["succeeded"],
    "after the commit": ["succeeded"],
    "before the message is acknowledged": ["succeeded"],
}
# Only a worker that dies with the answer in its hands has it asked for again.
ASKED = {"after the model's answer": 2}


@pytest.fixture
def doomed(
    own_environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a worker that kills itself at a step."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "doomed.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.doomed_worker", *arguments],
                env=os.environ | own_environment | {"JOB_LEASE_SECONDS": "2"},
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(20)


@pytest.fixture(autouse=True)
def nothing_waits(platform_db: None) -> None:
    """Jobs that other tests left would be taken, and died of, first."""
    with unit_of_work(Scope.platform()):
        Job.update(state="cancelled").where(Job.finished_at.is_null()).execute()


@pytest.fixture
def scheduler(own_environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    with PlatformProcess(["scheduler"], own_environment, tmp_path / "scheduler.log"):
        yield


def effects(practice: GradedPractice, session_id: object) -> dict[str, int]:
    with unit_of_work(practice.scope):
        return {
            "grades": SessionGrade.select().where(SessionGrade.session_id == session_id).count(),
            "scorecards": Export.select()
            .where((Export.session_id == session_id) & (Export.state == "ready"))
            .count(),
            "in the rollup": DailyStat.select(fn.max(DailyStat.graded)).scalar() or 0,
        }


@pytest.mark.parametrize("step", STEPS)
def test_one_effect_of_each_kind_wherever_the_worker_dies(
    step: str,
    practice: GradedPractice,
    model: OfflineModel,
    scheduler: None,
    doomed: Callable[..., subprocess.Popen[bytes]],
    own_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    victim = doomed(step, KIND)
    session_id = practice.session(call())
    job_id = practice.ask_for_grade(session_id)
    assert victim.wait(30) == -9

    with PlatformProcess(["worker"], own_environment, tmp_path / "worker.log"):
        eventually(lambda: practice.shown(session_id)["status"] == "completed")
        eventually(lambda: effects(practice, session_id)["scorecards"] == 1)

    assert effects(practice, session_id) == {"grades": 1, "scorecards": 1, "in the rollup": 1}
    with unit_of_work(practice.scope):
        tries = JobAttempt.select().where(JobAttempt.job_id == job_id).order_by(JobAttempt.attempt)
        outcomes = [attempt.outcome for attempt in tries]
    assert outcomes == TRIES.get(step, ["lost", "succeeded"])
    calls = practice.model_calls()
    assert model.stats()["received"] == ASKED.get(step, 1)
    assert sum(paid.state == "settled" for paid in calls) == 1
    # The answer that nobody recorded is in the account book all the same.
    assert len(calls) - sum(paid.state == "cached" for paid in calls) == ASKED.get(step, 1)


@pytest.mark.parametrize("seconds", ["-86400", "86400"])
def test_a_worker_whose_clock_is_a_day_wrong_keeps_the_times_right(
    seconds: str,
    practice: GradedPractice,
    model: OfflineModel,
    scheduler: None,
    doomed: Callable[..., subprocess.Popen[bytes]],
) -> None:
    model.switch({"kind": "server_error", "next": 1})
    doomed("never", KIND, seconds)
    session_id = practice.session(call())
    job_id = practice.ask_for_grade(session_id)
    eventually(lambda: effects(practice, session_id)["scorecards"] == 1)
    job = practice.job(job_id)
    assert job.created_at <= job.started_at <= job.finished_at
    assert (job.finished_at - job.created_at).total_seconds() < 3_600
