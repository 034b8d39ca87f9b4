"""What organisations' endpoints are told of grades and reviews: ids and figures, nothing said."""

from collections.abc import Mapping
from typing import Any

from clozone.grading import repository
from clozone.grading.scored_call import ScoredCall
from clozone.jobs.notices import tell
from clozone.models.training import SessionReview, TrainingSession


def tell_graded(session: TrainingSession, scored: ScoredCall) -> None:
    """Tell of a grade, in the unit of work that gives it."""
    _tell("session.graded", session, {"score": scored.score, "passed": scored.passed})


def tell_reviewed(session: TrainingSession, review: SessionReview) -> None:
    """Tell of a review, in the unit of work that adds it, with the result that stands after it.

    Score and verdict are null for a session without a grade.
    """
    score, passed = repository.final_result(session.id)
    about = {"review_id": str(review.id), "reviewer_id": str(review.reviewer_id)}
    _tell("session.reviewed", session, about | {"score": score, "passed": passed})


def _tell(event: str, session: TrainingSession, facts: Mapping[str, Any]) -> None:
    data = {
        "session_id": str(session.id),
        "user_id": str(session.user_id),
        "template_id": str(session.template_id) if session.template_id else None,
        **facts,
        "url": f"/api/sessions/{session.id}",
    }
    tell(event, data)
