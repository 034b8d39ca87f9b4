"""POST /api/sessions/{id}/review: a manager's word, and what follows it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from graded_practice import BUDGET, NEXT_STEP, SMALL_TALK, GradedPractice, call
from tests.support.model import OfflineModel
from tests.support.people import SignIn, Team

from clozone.infra.postgres import unit_of_work
from clozone.kit.ids import new_id
from clozone.models.training import Assignment

pytestmark = pytest.mark.usefixtures("grader")
SCORE = 70


@pytest.fixture
def session_id(practice: GradedPractice, model: OfflineModel) -> Iterator[UUID]:
    """A graded session; its scorecard is done."""
    session_id = practice.graded(call(BUDGET, SMALL_TALK, NEXT_STEP))
    (first,) = practice.jobs(session_id, "exports.render_scorecard")
    practice.ended(first.id)
    yield session_id
    for job in practice.jobs(session_id, "exports.render_scorecard"):
        practice.ended(job.id)


def review(client: httpx2.Client, session_id: UUID, **body: Any) -> httpx2.Response:
    return client.post(f"/api/sessions/{session_id}/review", json={"comment": "Well done."} | body)


def totals(client: httpx2.Client) -> dict[str, Any]:
    return dict(client.get("/api/analytics?period=7d").raise_for_status().json()["totals"])


def test_a_comment_leaves_the_score(practice: GradedPractice, session_id: UUID) -> None:
    written = review(practice.manager, session_id)
    assert written.status_code == 201, written.text
    answer = written.json()
    assert (answer["comment"], answer["override_score"]) == ("Well done.", None)
    assert (answer["ai_score"], answer["score"]) == (SCORE, SCORE)
    assert answer["reviewer_id"] == str(practice.team.people["manager"])
    assert practice.grade(session_id).override_score is None
    assert totals(practice.manager)["average_score"] == SCORE


def test_an_override_stands_in_place_of_the_score_until_it_is_taken_back(
    practice: GradedPractice, session_id: UUID
) -> None:
    assert totals(practice.manager)["passed"] == 1
    answer = review(practice.manager, session_id, override_score=41).json()
    assert (answer["ai_score"], answer["score"]) == (SCORE, 41)
    overridden = totals(practice.manager)
    assert (overridden["average_score"], overridden["passed"]) == (41, 0)
    grade = practice.grade(session_id)
    assert (grade.score, grade.override_score) == (SCORE, 41)

    commented = review(practice.manager, session_id, comment="Think it over.").json()
    assert (commented["override_score"], commented["score"]) == (41, 41)

    restored = review(practice.manager, session_id, override_score=None).json()
    assert (restored["override_score"], restored["score"]) == (None, SCORE)
    assert totals(practice.manager)["average_score"] == SCORE
    assert totals(practice.manager)["passed"] == 1


def test_each_review_makes_one_new_scorecard_and_one_line_in_the_audit_log(
    practice: GradedPractice, session_id: UUID
) -> None:
    review(practice.manager, session_id, override_score=41).raise_for_status()
    assert len(practice.jobs(session_id, "exports.render_scorecard")) == 2
    assert practice.team.audited().count(("session.reviewed", "user")) == 1


def test_without_a_grade_there_is_nothing_to_override_and_much_to_say(
    practice: GradedPractice, model: OfflineModel
) -> None:
    session_id = practice.session(call(), status="not_gradable")
    refusal = review(practice.manager, session_id, override_score=80)
    assert refusal.status_code == 409
    assert refusal.json()["code"] == "conflict"
    assert practice.team.audited().count(("session.reviewed", "user")) == 0
    assert review(practice.manager, session_id).json()["score"] is None
    assert not practice.jobs(session_id, "exports.render_scorecard")


def test_reps_do_not_review(practice: GradedPractice, session_id: UUID) -> None:
    assert review(practice.rep, session_id, override_score=100).status_code == 403
    assert practice.grade(session_id).override_score is None


def test_nobody_reviews_what_is_not_there(
    practice: GradedPractice, session_id: UUID, sign_in: SignIn
) -> None:
    stranger = sign_in(Team(), "admin")
    assert review(stranger, session_id, override_score=1).status_code == 404
    assert review(practice.manager, new_id()).status_code == 404
    assert practice.grade(session_id).override_score is None


@pytest.mark.parametrize(
    "body",
    [
        {"comment": " "},
        {"comment": None},
        {"comment": "x" * 5_001},
        {"override_score": 101},
        {"override_score": -1},
        {"override_score": "90"},
        {"override_score": 70.5},
        {"override_score": True},
        {"score": 90},
    ],
)
def test_a_review_that_says_nothing_clear_is_refused(
    practice: GradedPractice, session_id: UUID, body: dict[str, Any]
) -> None:
    assert review(practice.manager, session_id, **body).status_code == 422


def test_an_override_can_reach_an_assignment_s_target(
    practice: GradedPractice, model: OfflineModel
) -> None:
    assignment_id = practice.assignment(90)
    session_id = practice.graded(call(BUDGET, SMALL_TALK, NEXT_STEP), assignment_id=assignment_id)

    def done() -> bool:
        with unit_of_work(practice.scope):
            return Assignment.get_by_id(assignment_id).completed_at is not None

    assert not done()
    review(practice.manager, session_id, override_score=89).raise_for_status()
    assert not done()
    review(practice.manager, session_id, override_score=90).raise_for_status()
    assert done()
