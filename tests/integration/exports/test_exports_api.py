"""Asking for scorecards over HTTP, and fetching them."""

import subprocess
import sys
from urllib.parse import urlsplit

import httpx2
import pytest
from graded_calls import (
    SCORE,
    exports_of,
    jobs_of,
    make_graded_session,
    make_session,
    make_team,
    review,
    text_of,
)

from clozone.kit.ids import new_id
from clozone.settings import Settings


def download(url: str, settings: Settings) -> httpx2.Response:
    """What the link gives; nginx passes the browser's Host on to the storage, as this does."""
    link = urlsplit(url)
    return httpx2.get(
        f"{settings.s3_endpoint}{link.path}?{link.query}",
        headers={"Host": link.netloc},
        trust_env=False,
    )


@pytest.fixture
def rep(team, signed_in):
    return signed_in(team, team.rep)


@pytest.fixture
def manager(team, signed_in):
    return signed_in(team, team.manager)


def test_from_request_to_file(team, rep, worker_here, settings):
    session_id = make_graded_session(team)

    asked = rep.post(f"/api/sessions/{session_id}/exports")

    assert asked.status_code == 202
    export_id = asked.json()["id"]
    assert asked.headers["Location"] == f"/api/exports/{export_id}"
    assert asked.json()["session_id"] == str(session_id)

    worker_here.finish(team, session_id)
    export = rep.get(f"/api/exports/{export_id}").json()

    assert (export["state"], export["kind"], export["error"]) == ("ready", "scorecard_pdf", None)
    assert urlsplit(export["url"])._replace(path="", query="").geturl() == (
        settings.presign_base_url
    )
    assert export["url_expires_at"] > export["ready_at"] >= export["created_at"]
    file = download(export["url"], settings)
    assert file.status_code == 200
    assert file.headers["Content-Type"] == "application/pdf"
    assert 'filename="scorecard-maya-chen-2026-11-24.pdf"' in file.headers["Content-Disposition"]
    assert len(file.content) == export["size_bytes"]
    shown = rep.get(f"/api/sessions/{session_id}").json()
    assert shown["grade"]["score"] == SCORE
    assert f"Score {SCORE} of 100" in text_of(file.content)
    assert [item["id"] for item in shown["exports"]] == [export_id]


def test_asking_twice_makes_one_export_and_one_job(team, rep, worker_here):
    session_id = make_graded_session(team)

    asked = [rep.post(f"/api/sessions/{session_id}/exports").json()["id"] for _ in range(3)]
    worker_here.finish(team, session_id)
    ready = rep.post(f"/api/sessions/{session_id}/exports")

    assert {*asked, ready.json()["id"]} == {asked[0]}
    assert (ready.status_code, ready.json()["state"]) == (202, "ready")
    assert ready.json()["url"]
    assert len(jobs_of(team, session_id)) == len(exports_of(team, session_id)) == 1


def test_the_job_of_the_pipeline_is_enough(team, rep, worker_here):
    session_id = make_graded_session(team)
    job_id = worker_here.order(team, session_id)

    export_id = rep.post(f"/api/sessions/{session_id}/exports").json()["id"]
    worker_here.finish(team, session_id)

    assert [job.id for job in jobs_of(team, session_id)] == [job_id]
    assert rep.get(f"/api/exports/{export_id}").json()["state"] == "ready"


def test_after_a_review_there_is_a_new_export_and_the_list_begins_with_it(
    team, rep, manager, worker_here, settings
):
    session_id = make_graded_session(team)
    path = f"/api/sessions/{session_id}/exports"
    first = rep.post(path).json()["id"]
    worker_here.finish(team, session_id)
    review(team, session_id, "Braver than you think.", 95)

    second = manager.post(path).json()["id"]
    worker_here.finish(team, session_id)

    listed = rep.get(path).json()
    assert [(item["id"], item["state"]) for item in listed["items"]] == [
        (second, "ready"),
        (first, "ready"),
    ]
    assert listed["next_cursor"] is None
    assert manager.get(f"/api/sessions/{session_id}").json()["grade"]["score"] == 95
    file = download(listed["items"][0]["url"], settings)
    assert "Score 95 of 100, set by Ada Ruiz" in text_of(file.content)
    newest = rep.get(path, params={"limit": 1}).json()
    older = rep.get(path, params={"limit": 1, "cursor": newest["next_cursor"]}).json()
    assert [page["items"][0]["id"] for page in (newest, older)] == [second, first]


def test_others_find_nothing(team, rep, signed_in, worker_here):
    session_id = make_graded_session(team)
    export_id = rep.post(f"/api/sessions/{session_id}/exports").json()["id"]
    worker_here.finish(team, session_id)
    elsewhere = make_team()

    for stranger in (
        signed_in(team, team.other_rep),
        signed_in(elsewhere, elsewhere.manager),
        signed_in(elsewhere, elsewhere.rep),
    ):
        for method, path in (
            ("POST", f"/api/sessions/{session_id}/exports"),
            ("GET", f"/api/sessions/{session_id}/exports"),
            ("GET", f"/api/exports/{export_id}"),
        ):
            answer = stranger.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    assert len(jobs_of(team, session_id)) == 1


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"status": "pending"}, "This session has no grade yet."),
        ({"status": "processing"}, "This session has no grade yet."),
        (
            {"status": "not_gradable", "not_gradable_reason": "voicemail"},
            "This call could not be graded: voicemail.",
        ),
        ({"status": "failed"}, "The grading of this call failed"),
    ],
)
def test_without_a_grade_there_is_nothing_to_export(team, rep, fields, detail):
    session_id = make_session(team, **fields)

    answer = rep.post(f"/api/sessions/{session_id}/exports")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["detail"].startswith(detail)
    assert jobs_of(team, session_id) == exports_of(team, session_id) == []


def test_what_is_not_there_is_404_and_nobody_gets_in_without_signing_in(rep, api):
    for method, path in (
        ("POST", f"/api/sessions/{new_id()}/exports"),
        ("GET", f"/api/sessions/{new_id()}/exports"),
        ("GET", f"/api/exports/{new_id()}"),
    ):
        assert rep.request(method, path).status_code == 404
        assert api.request(method, path).status_code == 401


def test_the_web_process_does_not_load_the_pdf_library():
    code = (
        "import sys, clozone.app; "
        "assert 'clozone.exports.routes' in sys.modules; "
        "print([name for name in sys.modules if name.partition('.')[0] == 'reportlab'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
