"""The job that makes scorecards, against real PostgreSQL and object storage."""

from uuid import UUID

import pytest
from graded_calls import (
    SCORE,
    Team,
    delete,
    exports_of,
    make_graded_session,
    make_session,
    make_team,
    review,
    text_of,
)
from tests.support.processes import free_port

from clozone.exports import jobs, service
from clozone.infra.object_storage import ObjectStorage, StoredObject, init_object_storage
from clozone.infra.postgres import unit_of_work
from clozone.settings import Settings
from clozone.web.identity import Actor, Role


def request(team: Team, session_id: UUID) -> UUID:
    with unit_of_work(team.scope):
        actor = Actor(team.manager, team.org_id, Role.manager)
        return service.request_export(actor, session_id).id


def test_a_graded_session_gets_its_scorecard(team, worker_here, storage):
    session_id = make_graded_session(team)

    job = worker_here.render(team, session_id)

    assert job.state == "succeeded"
    (export,) = exports_of(team, session_id)
    pdf = storage.get(export.object_key)
    assert (export.state, export.size_bytes, export.error) == ("ready", len(pdf), None)
    assert export.object_key == (
        f"{team.org_id}/scorecards/{session_id}/{export.content_hash.hex()}.pdf"
    )
    page = text_of(pdf)
    assert f"Score {SCORE} of 100 · pass mark 60" in page
    for words in (
        "Northwind Logistics",
        "Maya Chen · 24 Nov 2026 · 01:21 call",
        "Cold call",
        "Passed",
        "30 / 60",
        "1 of 2",
        "40 / 40",
        "01:15 “Shall we say Thursday at ten?”",
        "A date and an hour.",
        "You asked for the budget first.",
        "Ask who else decides.",
        "“Who joins us?”",
        "by clozone-offline-1 · prompt evidence-1",
    ):
        assert words in page


def test_an_override_makes_a_new_scorecard_and_keeps_the_old_one(team, worker_here, storage):
    session_id = make_graded_session(team)
    worker_here.render(team, session_id)
    review(team, session_id, "You never asked who decides.", 45)

    worker_here.render(team, session_id)

    before, after = exports_of(team, session_id)
    assert (before.state, after.state) == ("ready", "ready")
    assert f"Score {SCORE} of 100 · pass mark" in text_of(storage.get(before.object_key))
    page = text_of(storage.get(after.object_key))
    assert f"Score 45 of 100, set by Ada Ruiz · AI score {SCORE} · pass mark 60" in page
    assert "Not passed yet" in page
    assert "You never asked who decides." in page


def test_a_comment_after_an_override_leaves_the_score_to_who_set_it(team, worker_here, storage):
    session_id = make_graded_session(team)
    review(team, session_id, "Well sold.", 90)
    review(team, session_id, "Mind the pace.", None)

    worker_here.render(team, session_id)

    (export,) = exports_of(team, session_id)
    page = text_of(storage.get(export.object_key))
    assert "Score 90 of 100, set by Ada Ruiz" in page
    assert "Well sold. Bo Lind adds: Mind the pace." in page


def test_the_same_content_is_not_made_twice(team, worker_here, storage):
    session_id = make_graded_session(team)
    worker_here.render(team, session_id)
    (first,) = exports_of(team, session_id)
    storage.delete(first.object_key)

    again = worker_here.render(team, session_id)

    assert again.state == "succeeded"
    (export,) = exports_of(team, session_id)
    assert export.ready_at == first.ready_at
    assert not storage.exists(first.object_key)


def test_a_job_repeated_after_its_file_was_written_gives_the_same_file(team, worker_here, storage):
    session_id = make_graded_session(team)
    with unit_of_work(team.scope):
        order = service.begin_scorecard(session_id)
    first = jobs.render_scorecard(jobs.scorecard_of(order.facts))
    storage.put(order.object_key, first, service.PDF)  # and here the worker is killed

    worker_here.render(team, session_id)

    (export,) = exports_of(team, session_id)
    assert (export.id, export.state) == (order.export_id, "ready")
    assert storage.get(export.object_key) == first


@pytest.fixture
def storage_away(settings: Settings, storage: ObjectStorage) -> None:
    """This process's object storage does not answer."""
    address = f"http://127.0.0.1:{free_port()}"
    init_object_storage(settings.model_copy(update={"s3_endpoint": address}))


def test_storage_away_is_retried_until_it_is_back(team, worker_here, settings, storage_away):
    session_id = make_graded_session(team)

    job = worker_here.render(team, session_id)

    assert (job.state, job.failures) == ("retrying", 1)
    assert "object storage is away" in job.last_error
    assert [export.state for export in exports_of(team, session_id)] == ["queued"]
    storage = init_object_storage(settings)
    assert worker_here.try_once(team, job.id).state == "succeeded"
    (export,) = exports_of(team, session_id)
    assert export.state == "ready"
    assert storage.exists(export.object_key)


def test_a_job_given_up_says_so_and_can_be_asked_for_again(
    team, worker_here, settings, storage_away
):
    session_id = make_graded_session(team)
    export_id = request(team, session_id)
    job_id = worker_here.order(team, session_id)
    states = [worker_here.try_once(team, job_id).state for _ in range(3)]

    assert states == ["retrying", "retrying", "dead"]
    (failed,) = exports_of(team, session_id)
    assert (failed.id, failed.state) == (export_id, "failed")
    assert failed.error.startswith("The scorecard could not be made.")
    assert str(job_id) in failed.error
    assert "Retryable" not in failed.error

    init_object_storage(settings)
    assert request(team, session_id) == export_id
    worker_here.finish(team, session_id)
    (export,) = exports_of(team, session_id)
    assert (export.state, export.error) == ("ready", None)


def test_an_export_whose_content_is_gone_ends_with_the_reason(team, worker_here):
    session_id = make_graded_session(team)
    worker_here.render(team, session_id)
    review(team, session_id, "Well done.", None)
    with unit_of_work(team.scope):
        waiting = service.begin_scorecard(session_id)
    review(team, session_id, "On second thoughts: very well done.", 90)

    worker_here.render(team, session_id)

    first, second, third = exports_of(team, session_id)
    assert second.id == waiting.export_id
    assert (first.state, second.state, third.state) == ("ready", "failed", "ready")
    assert second.error == "The grade changed before this scorecard was made. Request it again."


def test_a_session_without_a_grade_or_deleted_is_left_alone(team, worker_here):
    ungraded, deleted = make_session(team), make_graded_session(team)
    delete(team, deleted)

    states = [worker_here.render(team, session_id).state for session_id in (ungraded, deleted)]

    assert states == ["succeeded", "succeeded"]
    assert exports_of(team, ungraded) == exports_of(team, deleted) == []


def test_a_session_deleted_while_its_scorecard_is_made_leaves_no_file(
    team, worker_here, settings, monkeypatch
):
    session_id = make_graded_session(team)
    written = []

    class Slow(ObjectStorage):
        def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
            stored = super().put(key, data, content_type)
            assert self.exists(key)
            written.append(key)
            delete(team, session_id)
            return stored

    slow = Slow(settings)
    monkeypatch.setattr(jobs, "object_storage", lambda: slow)

    job = worker_here.render(team, session_id)

    assert job.state == "succeeded"
    assert not slow.exists(written[0])
    assert exports_of(team, session_id) == []


def test_a_session_of_another_organisation_is_not_there(team, worker_here):
    stranger = make_team()
    session_id = make_graded_session(stranger)

    assert worker_here.render(team, session_id).state == "succeeded"

    assert exports_of(stranger, session_id) == []
