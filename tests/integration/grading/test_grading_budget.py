"""Grading when the money is used up: who waits is refused, what can wait waits."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from event_lines import events
from graded_practice import RUBRIC, GradedPractice, call, eventually
from tests.support.model import OfflineModel

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.models.operations import Budget, Job

PATH = "/api/analytics/grade-transcript"
BODY: dict[str, Any] = {
    "transcript": [{"speaker": turn.speaker, "text": turn.text} for turn in call()],
    "rubric": RUBRIC,
}
AN_HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("grader")


def cap(practice: GradedPractice, microdollars: int, period: str = "day") -> UUID:
    with unit_of_work(Scope.platform()):
        budget = Budget.create(
            org_id=practice.team.org_id, period=period, cap_microdollars=microdollars
        )
        return UUID(str(budget.id))


def next_month() -> datetime:
    start = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(days=32)).replace(day=1)


def test_a_session_waits_for_room_without_a_failure_and_is_graded_then(
    practice: GradedPractice, model: OfflineModel
) -> None:
    budget_id = cap(practice, 1)
    session_id = practice.session(call())
    job_id = practice.ask_for_grade(session_id)
    job = eventually(lambda: (job := practice.job(job_id)).state == "retrying" and job)
    assert (job.failures, job.result) == (0, None)
    assert "budget" in job.last_error
    assert now() < job.run_at <= now() + AN_HOUR
    assert practice.shown(session_id)["status"] == "processing"
    # Nobody is asked without a row here; the model itself also hears from others' jobs.
    assert practice.model_calls() == []

    with unit_of_work(Scope.platform()):
        Budget.update(cap_microdollars=10**9).where(Budget.id == budget_id).execute()
        Job.update(run_at=Job.created_at).where(Job.id == job_id).execute()
    assert practice.ended(job_id).state == "succeeded"
    assert practice.shown(session_id)["status"] == "completed"


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_who_waits_for_a_grade_is_refused_when_nothing_is_left(
    practice: GradedPractice, model: OfflineModel, accept: str
) -> None:
    practice.graded()
    cap(practice, 1, "month")
    refusal = practice.rep.post(PATH, json=BODY, headers={"Accept": accept})
    assert refusal.status_code == 402
    assert refusal.headers["content-type"] == "application/problem+json"
    problem = refusal.json()
    assert (problem["code"], problem["period"]) == ("budget_exhausted", "month")
    assert datetime.fromisoformat(problem["resets_at"]) == next_month()
    with unit_of_work(practice.scope):
        assert not Job.select().where(Job.kind == "grading.grade_transcript").exists()


def test_a_request_that_finds_no_room_later_is_told_so_in_its_result(
    practice: GradedPractice, model: OfflineModel
) -> None:
    cap(practice, 1)
    stream = {"Accept": "text/event-stream"}
    with practice.rep.stream("POST", PATH, json=BODY, headers=stream) as answer:
        assert answer.status_code == 200
        (*_, (name, last)) = events(answer)
    assert (name, last["state"]) == ("result", "succeeded")
    assert (last["result"]["status"], last["result"]["code"]) == ("refused", "budget_exhausted")
    resets_at = datetime.fromisoformat(last["result"]["resets_at"])
    assert resets_at.astimezone(UTC).time() == datetime.min.time()
    assert now() < resets_at <= now() + timedelta(days=1)
    assert model.stats()["received"] == 0
