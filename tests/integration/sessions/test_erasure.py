from datetime import timedelta

import pytest
from tests.support.one_job import OneJobRunner
from tests.support.practice import Practice

import clozone.sessions.jobs  # noqa: F401 - attaches the handler
from clozone.infra.object_storage import init_object_storage
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.leases import Leases
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.accounts import AuditEntry
from clozone.models.operations import Job, LlmCacheEntry, LlmCall, WebhookEvent
from clozone.models.training import Export, SessionGrade, SessionReview, TrainingSession
from clozone.sessions.erasure import CONTENT

SAID = b"what was said"


@pytest.fixture
def storage(settings):
    return init_object_storage(settings)


@pytest.fixture
def session_id(practice, storage):
    """A session with everything that can hang on one."""
    session_id = practice.session()
    recording, scorecard = (f"{practice.org_id}/{name}/{session_id}" for name in ("r", "s"))
    for key in (recording, scorecard):
        storage.put(key, SAID, "text/plain")
    practice.change(
        session_id,
        vapi_call_id=f"call-{session_id}",
        raw_transcript=[{"text": "hello"}],
        transcript=[{"index": 0, "speaker": "rep", "text": "hello", "start": 0.0, "end": 1.0}],
        metrics={"talk_ratio": 0.5},
        call_summary="They talked.",
        call_cost_microdollars=5,
        duration_seconds=60.0,
        recording_key=recording,
        recording_url="https://example.com/recording",
        closed=True,
        submitted_for_review=True,
    )
    practice.grade(session_id, 80)
    with unit_of_work(practice.scope):
        shared = {"org_id": practice.org_id, "session_id": session_id}
        SessionReview.create(**shared, reviewer_id=practice.manager, comment="Good.")
        Export.create(**shared, content_hash=b"1", state="ready", object_key=scorecard)
    cached_answer(practice, session_id)
    event(practice, session_id)
    return session_id


def cached_answer(practice, session_id):
    with unit_of_work(practice.scope):
        call = LlmCall.create(
            org_id=practice.org_id,
            session_id=session_id,
            purpose="grading",
            model="offline-rules",
            state="settled",
            cache_key=session_id.bytes,
            cost_microdollars=7,
        )
        LlmCacheEntry.create(
            org_id=practice.org_id,
            cache_key=session_id.bytes,
            llm_call_id=call.id,
            model="offline-rules",
            content="they said hello",
        )


def event(practice, of, **fields):
    event_id = new_id()
    with unit_of_work(Scope.platform()):
        WebhookEvent.create(
            **{
                "id": event_id,
                "org_id": practice.org_id,
                "session_id": of,
                "call_id": f"call-{of}",
                "message_type": "end-of-call-report",
                "dedupe_key": event_id.bytes,
                "headers": {"x-call": "hello"},
                "body": SAID,
                "state": "processed",
                **fields,
            }
        )
    return event_id


def bodies(session_id):
    with unit_of_work(Scope.platform()):
        found = WebhookEvent.select().where(WebhookEvent.call_id == f"call-{session_id}")
        return sorted((bytes(event.body), event.headers) for event in found)


def erasing_jobs(practice, session_id):
    with unit_of_work(practice.scope):
        return list(Job.select().where(Job.subject_id == session_id).order_by(Job.run_at))


def run(practice, settings, job):
    """Run the job now, due or not."""
    with unit_of_work(practice.scope):
        Job.update(run_at=Job.created_at).where(Job.id == job.id).execute()
    OneJobRunner(settings, Leases("erasure-test", 60)).run(job.id)
    with unit_of_work(practice.scope):
        assert Job.get_by_id(job.id).state == "succeeded"


def test_a_deleted_session_leaves_a_tombstone_without_content(manager, practice, session_id):
    assert manager.delete(f"/api/sessions/{session_id}").status_code == 204
    with unit_of_work(practice.scope):
        session = TrainingSession.get_by_id(session_id)
        for made_from_it in (SessionGrade, SessionReview, Export):
            rows = made_from_it.select().where(made_from_it.session_id == session_id)
            assert rows.count() == 0
    assert [getattr(session, name) for name in CONTENT] == [None] * len(CONTENT)
    assert session.deleted_at is not None
    assert not session.submitted_for_review
    assert (session.user_id, session.vapi_call_id) == (practice.rep, f"call-{session_id}")
    assert practice.rollup() == {}


def test_every_column_that_may_be_empty_is_emptied_or_names_no_content():
    kept = {"template_id", "assignment_id", "rubric_id", "vapi_call_id", "deleted_at"}
    nullable = {name for name, column in TrainingSession._meta.fields.items() if column.null}
    assert nullable == kept | set(CONTENT)


def test_a_deleted_session_is_not_there_any_more(manager, rep, practice, session_id):
    path = f"/api/sessions/{session_id}"
    manager.delete(path)
    assert rep.get(path).status_code == 404
    assert rep.get(f"{path}/events").status_code == 404
    assert rep.patch(path, json={"closed": True}).status_code == 404
    assert manager.delete(path).status_code == 404
    assert manager.get("/api/sessions").json()["items"] == []


def test_objects_cached_answers_and_the_inbox_are_emptied(
    manager, practice, session_id, storage, settings
):
    with unit_of_work(practice.scope):
        recording = TrainingSession.get_by_id(session_id).recording_key
        scorecard = Export.get(Export.session_id == session_id).object_key
    other_event = event(practice, new_id(), call_id="another")
    manager.delete(f"/api/sessions/{session_id}")
    first, second = erasing_jobs(practice, session_id)
    assert second.run_at - first.run_at > timedelta(minutes=30)
    run(practice, settings, first)
    assert not storage.exists(recording)
    assert not storage.exists(scorecard)
    assert bodies(session_id) == [(b"", {})]
    with unit_of_work(practice.scope):
        assert LlmCacheEntry.select().count() == 0
        assert [call.cost_microdollars for call in LlmCall.select()] == [7]
        assert bytes(WebhookEvent.get_by_id(other_event).body) == SAID


def test_what_came_while_it_was_deleted_goes_with_the_second_pass(
    manager, practice, session_id, storage, settings
):
    event(practice, session_id, state="received", session_id=None, org_id=None)
    manager.delete(f"/api/sessions/{session_id}")
    first, second = erasing_jobs(practice, session_id)
    run(practice, settings, first)
    assert bodies(session_id) == [(b"", {}), (SAID, {"x-call": "hello"})]
    with unit_of_work(practice.scope):
        LlmCall.delete().execute()
    cached_answer(practice, session_id)
    with unit_of_work(Scope.platform()):
        WebhookEvent.update(state="ignored").where(
            WebhookEvent.call_id == f"call-{session_id}"
        ).execute()
    run(practice, settings, second)
    assert bodies(session_id) == [(b"", {})] * 2
    with unit_of_work(practice.scope):
        assert LlmCacheEntry.select().count() == 0


def test_deleting_is_for_managers_of_the_organisation(rep, manager, practice, session_id):
    assert rep.delete(f"/api/sessions/{session_id}").status_code == 403
    theirs = Practice()
    kept = theirs.graded(50)
    assert manager.delete(f"/api/sessions/{kept}").status_code == 404
    assert theirs.rollup() == theirs.recount() != {}


def test_deleting_is_in_the_audit_log(manager, practice, session_id):
    manager.delete(f"/api/sessions/{session_id}")
    with unit_of_work(practice.scope):
        (entry,) = AuditEntry.select()
    assert (entry.action, entry.target_id, entry.actor_id) == (
        "session.deleted",
        session_id,
        practice.manager,
    )
    assert entry.created_at <= now()
