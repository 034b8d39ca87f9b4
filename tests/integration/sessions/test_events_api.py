import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx2
import pytest
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.accounts.tokens import AccessTokens
from clozone.infra.postgres import unit_of_work
from clozone.infra.progress import announce
from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.models.operations import Job
from clozone.models.training import Export
from clozone.web.identity import Role


@contextmanager
def stream(client: httpx2.Client, session_id) -> Iterator[Iterator[dict]]:
    with client.stream("GET", f"/api/sessions/{session_id}/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[dict]:
    name = None
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            assert name == "progress"
            yield json.loads(line.removeprefix("data: "))


def render(practice, session_id):
    """The job of the scorecard, announced to no worker."""
    with unit_of_work(practice.scope):
        return enqueue(
            "exports.render_scorecard", {}, subject_id=session_id, run_at=now() + timedelta(days=1)
        )


def settle(practice, session_id, job_id, state):
    with unit_of_work(practice.scope):
        Job.update(state="succeeded" if state == "ready" else "dead").where(
            Job.id == job_id
        ).execute()
        Export.create(org_id=practice.org_id, session_id=session_id, content_hash=b"1", state=state)
        announce(session_id)


@pytest.mark.parametrize("outcome", ["ready", "failed"])
def test_each_change_is_told_until_the_scorecard_is_there_or_is_not(rep, practice, outcome):
    session_id = practice.session()
    with stream(rep, session_id) as told:
        first = next(told)
        assert (first["session_id"], first["status"]) == (str(session_id), "pending")
        assert not first["finished"]
        practice.change(session_id, status="processing")
        assert next(told)["status"] == "processing"
        job_id = render(practice, session_id)
        practice.grade(session_id, 82)
        # The waiting step may be told in an event of its own before the grade.
        graded = next(event for event in told if event["status"] != "processing")
        assert (graded["status"], graded["score"], graded["passed"]) == ("completed", 82, True)
        assert [step["kind"] for step in graded["steps"]] == ["exports.render_scorecard"]
        assert (graded["scorecard"], graded["finished"]) == (None, False)
        settle(practice, session_id, job_id, outcome)
        last = next(event for event in told if event["finished"])
        assert last["scorecard"] == outcome
        assert list(told) == []


@pytest.mark.parametrize("status", ["not_gradable", "failed"])
def test_the_stream_of_a_session_that_has_ended_tells_so_and_ends(rep, practice, status):
    session_id = practice.session()
    practice.change(session_id, status=status, not_gradable_reason="voicemail")
    with stream(rep, session_id) as told:
        (only,) = told
    assert (only["status"], only["not_gradable_reason"]) == (status, "voicemail")
    assert only["finished"]


def test_a_stream_ends_when_its_session_is_deleted(rep, practice):
    session_id = practice.session()
    with stream(rep, session_id) as told:
        next(told)
        practice.change(session_id, deleted_at=now())
        assert list(told) == []


def test_more_watch_than_there_are_connections(rep, practice, settings):
    session_id = practice.session()
    watchers = settings.database_pool_size * 3
    began = threading.Barrier(watchers + 1)
    last: list[dict] = []

    def watch():
        with stream(rep, session_id) as told:
            next(told)
            began.wait(30)
            last.append(list(told)[-1])

    threads = [threading.Thread(target=watch) for _ in range(watchers)]
    for thread in threads:
        thread.start()
    began.wait(30)
    # Others are served while all of them wait.
    assert rep.get(f"/api/sessions/{session_id}").status_code == 200
    practice.change(session_id, status="failed")
    for thread in threads:
        thread.join(30)
    assert [event["status"] for event in last] == ["failed"] * watchers


def test_without_redis_changes_are_told_too(practice, environment, settings, tmp_path):
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    port = free_port()
    process = PlatformProcess(
        ["web", "--bind", f"127.0.0.1:{port}"],
        environment | {"REDIS_URL": nowhere, "REDIS_CACHE_URL": nowhere},
        tmp_path / "web.log",
    )
    token = AccessTokens(settings).issue(practice.rep, practice.org_id, Role.rep)
    session_id = practice.session()
    with process:
        await_http(f"http://127.0.0.1:{port}/api/health/live")
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        ) as client:
            with stream(client, session_id) as told:
                next(told)
                practice.change(session_id, status="not_gradable")
                assert list(told)[-1]["status"] == "not_gradable"
            # Analytics are computed, and a change is accepted, without it.
            assert client.get("/api/analytics").json()["totals"]["not_gradable"] == 1
            changed = client.patch(f"/api/sessions/{session_id}", json={"closed": True})
            assert changed.status_code == 200
            assert client.get("/api/analytics").json()["totals"]["closed_won"] == 1
