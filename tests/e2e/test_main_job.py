import io
import json
import os
import subprocess
import sys
from typing import Any

import httpx2
import pytest
from pypdf import PdfReader
from tests.support.platform import Platform, demo_call, eventually, never_heard_before


def test_every_component_is_up(platform: Platform) -> None:
    health = httpx2.get(f"{platform.url}/api/health").json()
    assert health["status"] == "up", health
    assert {component["status"] for component in health["components"].values()} == {"up"}


def test_requests_through_nginx_reach_both_web_instances(platform: Platform) -> None:
    seen = {
        httpx2.get(f"{platform.url}/api/health/live").headers["x-clozone-instance"]
        for _ in range(20)
    }
    assert seen == {"web-1", "web-2"}


@pytest.fixture(scope="module")
def demo(platform: Platform) -> dict[str, Any]:
    """What `make demo` makes of the written calls."""
    run = subprocess.run(
        [sys.executable, "-m", "clozone", "demo", "--json"],
        env=os.environ | platform.environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return dict(json.loads(run.stdout))


def test_every_written_call_ends_as_its_author_meant(demo: dict[str, Any]) -> None:
    assert len(demo["calls"]) >= 12
    assert demo["ok"], demo["surprises"]


def test_the_scorecard_shows_the_score_that_the_api_shows(
    platform: Platform, demo: dict[str, Any]
) -> None:
    manager = platform.signed_in("manager")
    sessions = manager.get("/api/sessions", params={"status": "completed", "limit": 100}).json()
    assert sessions["items"]
    for item in sessions["items"]:
        session = manager.get(f"/api/sessions/{item['id']}").json()
        export = manager.post(f"/api/sessions/{item['id']}/exports", json={}).json()
        ready = eventually(lambda e=export: _ready(manager, e["id"]))
        text = _pdf_text(httpx2.get(ready["url"]).content)
        assert f"Score {session['grade']['score']} of 100" in text


def _ready(client: httpx2.Client, export_id: str) -> dict[str, Any] | None:
    export = client.get(f"/api/exports/{export_id}").json()
    return export if export["state"] == "ready" else None


def _pdf_text(pdf: bytes) -> str:
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_analytics_equal_a_recount_from_the_sessions(
    platform: Platform, demo: dict[str, Any]
) -> None:
    totals = platform.signed_in("manager").get("/api/analytics?period=7d").json()["totals"]
    ((sessions, graded, not_gradable, average),) = platform.rows(
        """
        SELECT count(*) FILTER (WHERE s.status IN ('completed', 'not_gradable')),
          count(g.id), count(*) FILTER (WHERE s.status = 'not_gradable'),
          avg(coalesce(g.override_score, g.score))
        FROM training_sessions s LEFT JOIN session_grades g ON g.session_id = s.id
        WHERE s.org_id = %s AND s.deleted_at IS NULL
        """,
        platform.credentials["organization_id"],
    )
    assert totals["sessions"] == sessions
    assert totals["graded"] == graded
    assert totals["not_gradable"] == not_gradable
    assert totals["average_score"] == pytest.approx(float(average), abs=0.05)
    verify = subprocess.run(
        [sys.executable, "-m", "clozone", "analytics", "verify"],
        env=os.environ | platform.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert verify.returncode == 0, verify.stdout + verify.stderr


def test_one_request_id_runs_from_the_webhook_to_the_model_call(platform: Platform) -> None:
    rep = platform.signed_in("rep")
    call = never_heard_before(demo_call("01-discovery-strong"))
    session_id = platform.start_session(rep, call)
    platform.deliver(call, session_id)
    eventually(lambda: rep.get(f"/api/sessions/{session_id}").json()["status"] == "completed")
    ((webhook,),) = platform.rows(
        """SELECT request_id FROM webhook_events
        WHERE session_id = %s AND message_type = 'end-of-call-report'
        ORDER BY received_at LIMIT 1""",
        session_id,
    )
    job_ids = platform.rows("SELECT request_id FROM jobs WHERE subject_id = %s", session_id)
    model_ids = platform.rows("SELECT request_id FROM llm_calls WHERE session_id = %s", session_id)
    assert webhook
    assert {value for (value,) in job_ids} == {webhook}
    assert {value for (value,) in model_ids} == {webhook}
