"""POST /api/analytics/grade-transcript: asked for, waited for, watched, and left alone."""

from typing import Any

import httpx2
import pytest
from event_lines import events
from graded_practice import (
    BUDGET,
    DECIDER,
    NEXT_STEP,
    RUBRIC,
    GradedPractice,
    call,
    eventually,
)
from tests.support.model import OfflineModel
from tests.support.people import SignIn, Team

PATH = "/api/analytics/grade-transcript"
STREAM = {"Accept": "text/event-stream"}
TURNS = [{"speaker": turn.speaker, "text": turn.text} for turn in call()]
TEXT = "\n".join(f"{'User' if turn.speaker == 'rep' else 'AI'}: {turn.text}" for turn in call())

pytestmark = pytest.mark.usefixtures("grader")


def result_of(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    """What the job found out, once it has ended."""

    def ended() -> dict[str, Any] | None:
        job = client.get(f"/api/jobs/{job_id}").json()
        return job if job["state"] in ("succeeded", "dead") else None

    return eventually(ended)  # type: ignore[no-any-return]


@pytest.mark.parametrize("transcript", [TURNS, TEXT], ids=["turns", "text"])
def test_a_transcript_is_graded_by_a_rubric(
    rep: httpx2.Client, model: OfflineModel, transcript: Any
) -> None:
    accepted = rep.post(PATH, json={"transcript": transcript, "rubric": RUBRIC})
    assert accepted.status_code == 202, accepted.text
    assert accepted.headers["location"] == accepted.json()["status_url"]
    job = rep.get(accepted.json()["status_url"]).json()
    assert job["id"] == accepted.json()["job_id"]
    ended = result_of(rep, job["id"])
    assert ended["state"] == "succeeded"
    result = ended["result"]
    assert result["status"] == "completed"
    assert (result["grade"]["score"], result["grade"]["passed"]) == (100, True)
    assert result["grade"]["model"] == "clozone-offline-1"
    assert result["metrics"]["questions"] > 0


def test_a_transcript_is_graded_by_a_template_s_rubric(
    practice: GradedPractice, model: OfflineModel
) -> None:
    body = {"transcript": TURNS, "template_id": practice.template["id"]}
    accepted = practice.rep.post(PATH, json=body).raise_for_status().json()
    assert result_of(practice.rep, accepted["job_id"])["result"]["grade"]["score"] == 100


def test_equal_transcripts_are_paid_for_once(rep: httpx2.Client, model: OfflineModel) -> None:
    grades = []
    for _ in range(2):
        body = {"transcript": TURNS, "rubric": RUBRIC}
        accepted = rep.post(PATH, json=body).raise_for_status().json()
        grades.append(result_of(rep, accepted["job_id"])["result"]["grade"])
    assert grades[0] == grades[1]
    assert model.answered() == 1


def test_a_transcript_that_is_no_conversation_gets_a_reason_and_costs_nothing(
    rep: httpx2.Client, model: OfflineModel
) -> None:
    body = {"transcript": [{"speaker": "rep", "text": "Hello? Is anybody there?"}]}
    accepted = rep.post(PATH, json=body | {"rubric": RUBRIC}).raise_for_status().json()
    result = result_of(rep, accepted["job_id"])["result"]
    assert (result["status"], result["not_gradable_reason"]) == ("not_gradable", "one_sided")
    assert result["detail"]
    assert model.answered() == 0


def test_control_characters_do_no_harm(rep: httpx2.Client, model: OfflineModel) -> None:
    turns = [turn | {"text": f"\u0001{turn['text']}\u0007\ufffe\U0001f600"} for turn in TURNS]
    body = {"transcript": turns, "rubric": RUBRIC}
    accepted = rep.post(PATH, json=body).raise_for_status().json()
    assert result_of(rep, accepted["job_id"])["result"]["grade"]["score"] == 100


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rubric": RUBRIC}, "transcript"),
        ({"transcript": TEXT}, "template_id"),
        ({"transcript": "", "rubric": RUBRIC}, "transcript"),
        ({"transcript": [], "rubric": RUBRIC}, "transcript"),
        ({"transcript": [{"speaker": "ai", "text": "Hi"}], "rubric": RUBRIC}, "speaker"),
        ({"transcript": [{"speaker": "rep", "text": 1}], "rubric": RUBRIC}, "text"),
        ({"transcript": TEXT, "rubric": RUBRIC | {"pass_score": 101}}, "pass_score"),
        ({"transcript": TEXT, "rubric": RUBRIC, "weight": 1}, "weight"),
        ({"transcript": f"{TEXT}\0", "rubric": RUBRIC}, "transcript"),
        ({"transcript": TEXT, "rubric": {**RUBRIC, "criteria": RUBRIC["criteria"][:1]}}, "sum"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_clearly(
    rep: httpx2.Client, model: OfflineModel, body: Any, field: str
) -> None:
    refusal = rep.post(PATH, json=body)
    assert refusal.status_code == 422, refusal.text
    assert refusal.headers["content-type"] == "application/problem+json"
    assert field in str(refusal.json()["errors"])


def test_another_organisation_s_template_is_not_there(
    practice: GradedPractice, sign_in: SignIn
) -> None:
    body = {"transcript": TEXT, "template_id": practice.template["id"]}
    assert sign_in(Team(), "admin").post(PATH, json=body).status_code == 404


def test_a_result_is_shown_to_who_asked_and_to_managers(
    team: Team, rep: httpx2.Client, manager: httpx2.Client, sign_in: SignIn, model: OfflineModel
) -> None:
    body = {"transcript": TURNS, "rubric": RUBRIC}
    job_id = rep.post(PATH, json=body).raise_for_status().json()["job_id"]
    assert result_of(rep, job_id)["result"]["grade"]
    assert result_of(manager, job_id)["result"]["grade"]
    colleague = sign_in(team, team.add("rep"), "rep")
    stranger = sign_in(Team(), "admin")
    assert colleague.get(f"/api/jobs/{job_id}").status_code == 404
    assert stranger.get(f"/api/jobs/{job_id}").status_code == 404


@pytest.mark.parametrize(("fault", "state"), [(None, "succeeded"), ("refusal", "dead")])
def test_the_words_of_a_transcript_leave_the_ledger_when_its_job_ends(
    practice: GradedPractice, model: OfflineModel, fault: str | None, state: str
) -> None:
    if fault is not None:
        model.switch({"kind": fault})
    body = {"transcript": TURNS, "rubric": RUBRIC}
    job_id = practice.rep.post(PATH, json=body).raise_for_status().json()["job_id"]
    assert result_of(practice.rep, job_id)["state"] == state
    assert BUDGET not in str(practice.job(job_id).payload)


def test_a_stream_tells_the_progress_and_then_the_result(
    rep: httpx2.Client, model: OfflineModel
) -> None:
    model.switch({"kind": "latency", "seconds": 1.5})
    body = {"transcript": TURNS, "rubric": RUBRIC}
    with rep.stream("POST", PATH, json=body, headers=STREAM) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = list(events(answer))
    assert [name for name, _ in told[:-1]] == ["progress"] * (len(told) - 1)
    assert "running" in [data["state"] for _, data in told]
    name, last = told[-1]
    assert (name, last["state"]) == ("result", "succeeded")
    assert last["result"]["grade"]["score"] == 100


def test_who_leaves_in_mid_stream_finds_the_result_paid_for_once(
    rep: httpx2.Client, model: OfflineModel
) -> None:
    model.switch({"kind": "latency", "seconds": 1.5})
    body = {"transcript": TURNS, "rubric": RUBRIC}
    with rep.stream("POST", PATH, json=body, headers=STREAM) as answer:
        _, first = next(events(answer))
    assert result_of(rep, first["id"])["result"]["grade"]["score"] == 100
    with rep.stream("POST", PATH, json=body, headers=STREAM) as answer:
        (*_, (_, last)) = events(answer)
    assert last["result"]["grade"]["score"] == 100
    assert model.answered() == 1


def test_a_job_that_dies_ends_its_stream(rep: httpx2.Client, model: OfflineModel) -> None:
    model.switch({"kind": "insufficient_quota"})
    body = {"transcript": [*TURNS, {"speaker": "rep", "text": DECIDER}], "rubric": RUBRIC}
    with rep.stream("POST", PATH, json=body, headers=STREAM) as answer:
        (*_, (name, last)) = events(answer)
    assert (name, last["state"], last["result"]) == ("result", "dead", None)
    assert last["last_error"] is None
    assert model.stats()["failed"] == {"insufficient_quota": 1}


def test_managers_see_why_a_job_died(manager: httpx2.Client, model: OfflineModel) -> None:
    model.switch({"kind": "insufficient_quota"})
    body = {"transcript": [*TURNS, {"speaker": "rep", "text": NEXT_STEP}], "rubric": RUBRIC}
    job_id = manager.post(PATH, json=body).raise_for_status().json()["job_id"]
    assert "quota" in result_of(manager, job_id)["last_error"]
