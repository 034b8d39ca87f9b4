from datetime import UTC, datetime, timedelta

import pytest
from tests.support.practice import Practice

from clozone.infra.postgres import unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.operations import Job
from clozone.models.training import Export, SessionGrade, SessionReview
from clozone.sessions.metrics import measure
from clozone.sessions.transcript import Turn

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TURNS = [Turn(0, "rep", "Hello there", 0.5, 1.5), Turn(1, "customer", "Go on.", 2.0, 2.5)]


def talked(practice):
    """A session whose call was transcribed and measured."""
    session_id = practice.session()
    practice.change(
        session_id,
        transcript=[
            {"index": t.index, "speaker": t.speaker, "text": t.text, "start": t.start, "end": t.end}
            for t in TURNS
        ],
        metrics=measure(TURNS, 3.0).to_json(),
        vapi_call_id=str(new_id()),
        ended_reason="customer-ended-call",
        call_summary="They talked.",
        call_cost_microdollars=42_000,
        recording_key="recording",
        duration_seconds=3.0,
    )
    return session_id


def read(client, session_id):
    answer = client.get(f"/api/sessions/{session_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_everything_about_a_graded_session(manager, practice):
    session_id = talked(practice)
    practice.grade(session_id, 64)
    practice.override(session_id, 75)
    with unit_of_work(practice.scope):
        for comment in ("Good start.", "Better still."):
            SessionReview.create(
                org_id=practice.org_id,
                session_id=session_id,
                reviewer_id=practice.manager,
                comment=comment,
                override_score=75,
            )
        Export.create(
            org_id=practice.org_id,
            session_id=session_id,
            content_hash=b"1",
            state="ready",
            size_bytes=5,
            ready_at=NOON,
        )
    found = read(manager, session_id)
    assert [turn["text"] for turn in found["transcript"]] == ["Hello there", "Go on."]
    assert found["transcript"][0] == {
        "index": 0,
        "speaker": "rep",
        "text": "Hello there",
        "start": 0.5,
        "end": 1.5,
    }
    assert found["metrics"] == measure(TURNS, 3.0).to_json()
    assert found["call"]["ended_reason"] == "customer-ended-call"
    assert found["call"]["summary"] == "They talked."
    assert found["call"]["has_recording"] is True
    grade = found["grade"]
    assert (grade["score"], grade["ai_score"], grade["override_score"]) == (75, 64, 75)
    assert (grade["passed"], grade["pass_score"], grade["model"]) == (True, 70, "offline-rules")
    quote = grade["criteria"][0]["items"][0]["quotes"][0]
    assert quote == {"turn": 0, "text": "Hello there", "start": 0.5}
    assert (grade["strengths"], grade["next_steps"]) == (["Listens."], ["Ask for the next step."])
    assert grade["better_lines"][0]["better"] == "Good morning"
    assert [review["comment"] for review in found["reviews"]] == ["Better still.", "Good start."]
    assert found["reviews"][0]["reviewer_name"] == "Mara Voss"
    assert [(export["state"], export["size_bytes"]) for export in found["exports"]] == [
        ("ready", 5)
    ]
    assert (found["score"], found["ai_score"], found["passed"]) == (75, 64, True)


def test_a_session_before_its_call_is_empty(rep, practice):
    found = read(rep, practice.session())
    assert (found["status"], found["transcript"], found["metrics"], found["grade"]) == (
        "pending",
        None,
        None,
        None,
    )
    assert (found["reviews"], found["pipeline"], found["exports"]) == ([], [], [])


def test_the_previous_score_is_of_the_same_rep_and_template(rep, practice):
    def graded(score, minute, **session):
        session_id = practice.session(**session)
        practice.grade(session_id, score, created_at=NOON + timedelta(minutes=minute))
        return session_id

    first = graded(40, 0)
    practice.override(first, 45)
    graded(50, 1, template=1)
    graded(60, 2, user_id=practice.other_rep)
    last = graded(70, 3)
    graded(80, 4)
    assert read(rep, last)["grade"]["previous_score"] == 45
    assert read(rep, first)["grade"]["previous_score"] is None


def test_the_pipeline_shows_errors_and_costs_to_managers_only(rep, manager, practice):
    session_id = talked(practice)
    with unit_of_work(practice.scope):
        job_id = enqueue(
            "grading.grade_session",
            {"session_id": str(session_id)},
            subject_id=session_id,
            run_at=now() + timedelta(days=1),
        )
        Job.update(state="dead", attempt=3, last_error="the model refused").where(
            Job.id == job_id
        ).execute()
        enqueue("sessions.erase_objects", {}, subject_id=new_id(), run_at=now() + timedelta(days=1))
    for client, error, cost in ((manager, "the model refused", 42_000), (rep, None, None)):
        found = read(client, session_id)
        (step,) = found["pipeline"]
        assert (step["kind"], step["state"], step["attempt"]) == (
            "grading.grade_session",
            "dead",
            3,
        )
        assert (step["last_error"], found["call"]["cost_microdollars"]) == (error, cost)


@pytest.mark.parametrize("path", ["", "/events"])
def test_what_one_may_not_see_is_not_there(rep, practice, path):
    theirs = Practice().session()
    for session_id in (practice.session(practice.other_rep), theirs, new_id()):
        answer = rep.get(f"/api/sessions/{session_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert rep.get(f"/api/sessions/1{path}").status_code == 404


def test_a_rep_reports_the_outcome_and_takes_it_back(rep, practice):
    path = f"/api/sessions/{practice.session()}"
    answer = rep.patch(path, json={"closed": True})
    assert answer.status_code == 200
    assert (answer.json()["closed"], answer.json()["submitted_for_review"]) == (True, False)
    assert practice.rollup() == practice.recount() != {}
    answer = rep.patch(path, json={"submitted_for_review": True})
    assert (answer.json()["closed"], answer.json()["submitted_for_review"]) == (True, True)
    answer = rep.patch(path, json={"closed": None, "submitted_for_review": False})
    assert (answer.json()["closed"], answer.json()["submitted_for_review"]) == (None, False)
    assert practice.rollup() == {}


def test_a_manager_changes_any_session_and_a_rep_only_their_own(rep, manager, practice):
    other = practice.session(practice.other_rep)
    assert rep.patch(f"/api/sessions/{other}", json={"closed": True}).status_code == 404
    assert read(manager, other)["closed"] is None
    assert manager.patch(f"/api/sessions/{other}", json={"closed": False}).json()["closed"] is False
    theirs = Practice().session()
    assert manager.patch(f"/api/sessions/{theirs}", json={"closed": True}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"closed": "maybe"},
        {"submitted_for_review": None},
        {"status": "completed"},
        {"closed": True, "score": 100},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(rep, practice, body):
    session_id = practice.session()
    assert rep.patch(f"/api/sessions/{session_id}", json=body).status_code == 422
    assert read(rep, session_id)["closed"] is None


def test_the_grade_of_a_session_that_is_graded_again_is_not_shown_meanwhile(rep, practice):
    session_id = practice.graded(80)
    practice.change(session_id, status="processing")
    assert read(rep, session_id)["grade"] is None
    with unit_of_work(practice.scope):
        assert SessionGrade.select().where(SessionGrade.session_id == session_id).count() == 1
