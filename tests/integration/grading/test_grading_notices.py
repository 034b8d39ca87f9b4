"""What organisations' endpoints are told of grades and reviews: once each, ids and figures only."""

from typing import Any
from uuid import UUID

import pytest
from graded_practice import BUDGET, GUARANTEE, NEXT_STEP, SMALL_TALK, GradedPractice, call
from tests.support.model import OfflineModel

from clozone.infra.postgres import unit_of_work
from clozone.models.operations import Job

pytestmark = pytest.mark.usefixtures("grader")
SCORE = 70


def told(practice: GradedPractice, event: str) -> list[dict[str, Any]]:
    """The data of each event of this type that the organisation was told of, oldest first."""
    with unit_of_work(practice.scope):
        jobs = Job.select().where(Job.kind == "notifications.fan_out").order_by(Job.created_at)
        return [job.payload["data"] for job in jobs if job.payload["type"] == event]


def about(practice: GradedPractice, session_id: UUID, **facts: Any) -> dict[str, Any]:
    return {
        "session_id": str(session_id),
        "user_id": str(practice.team.people["rep"]),
        "template_id": practice.template["id"],
        "url": f"/api/sessions/{session_id}",
        **facts,
    }


def test_a_grade_is_told_of_once(practice: GradedPractice, model: OfflineModel) -> None:
    session_id = practice.graded(call(BUDGET, SMALL_TALK, NEXT_STEP))
    practice.ended(practice.ask_for_grade(session_id))  # repeated: nothing is left to do

    assert told(practice, "session.graded") == [
        about(practice, session_id, score=SCORE, passed=True)
    ]


def test_a_review_is_told_of_with_the_result_that_stands_after_it(
    practice: GradedPractice, model: OfflineModel
) -> None:
    session_id = practice.graded(call(BUDGET, SMALL_TALK, NEXT_STEP))
    path = f"/api/sessions/{session_id}/review"
    reviews = [
        practice.manager.post(path, json={"comment": "A word nobody else should read.", **body})
        for body in ({}, {"override_score": 41}, {"override_score": None})
    ]

    results = ((SCORE, True), (41, False), (SCORE, True))
    assert told(practice, "session.reviewed") == [
        about(
            practice,
            session_id,
            review_id=review.json()["id"],
            reviewer_id=str(practice.team.people["manager"]),
            score=score,
            passed=passed,
        )
        for review, (score, passed) in zip(reviews, results, strict=True)
    ]


def test_a_broken_rule_spoils_an_override_in_what_is_told_too(
    practice: GradedPractice, model: OfflineModel
) -> None:
    session_id = practice.graded(call(BUDGET, GUARANTEE, NEXT_STEP))

    practice.manager.post(
        f"/api/sessions/{session_id}/review", json={"comment": "No.", "override_score": 95}
    )

    (graded,) = told(practice, "session.graded")
    (reviewed,) = told(practice, "session.reviewed")
    assert graded["passed"] is False
    assert (reviewed["score"], reviewed["passed"]) == (95, False)


def test_a_review_of_a_session_without_a_grade_tells_of_no_result(
    practice: GradedPractice,
) -> None:
    session_id = practice.session(call(), status="not_gradable", not_gradable_reason="too_short")

    answer = practice.manager.post(f"/api/sessions/{session_id}/review", json={"comment": "Hm."})

    assert answer.status_code == 201
    (data,) = told(practice, "session.reviewed")
    assert (data["score"], data["passed"]) == (None, None)


def test_a_review_that_is_refused_is_not_told_of(practice: GradedPractice) -> None:
    session_id = practice.session(call())

    answer = practice.manager.post(
        f"/api/sessions/{session_id}/review", json={"comment": "Hm.", "override_score": 50}
    )

    assert answer.status_code == 409
    assert told(practice, "session.reviewed") == []
