"""Scorecards and recordings that are missing, and those that are lost."""

import pytest
from reconciler_probe import Reconciler, practised, with_job
from tests.support.practice import Practice
from tests.support.processes import free_port

from clozone.exports.service import RENDER_SCORECARD
from clozone.infra.object_storage import ObjectStorage, init_object_storage, recording_key
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.models.training import Export, SessionGrade
from clozone.reconciler.findings import Kind
from clozone.reconciler.local import MOST_DEAD_FETCHES
from clozone.sessions.recording import FETCH


@pytest.fixture
def graded(reconciler: Reconciler, practice: Practice):
    """A graded session of an hour ago, without a scorecard."""
    session_id = practice.graded(80)
    reconciler.age(session_id)
    return session_id


def rendered(reconciler: Reconciler, storage: ObjectStorage, session_id) -> Export:
    """Run the job that was added; the scorecard, which is there then."""
    job = reconciler.jobs(RENDER_SCORECARD, session_id)[-1]
    assert reconciler.try_once(job.id).state == "succeeded", job.last_error
    with unit_of_work(Scope.platform()):
        export: Export = Export.get(Export.session_id == session_id, Export.state == "ready")
    assert storage.exists(export.object_key)
    return export


def test_a_scorecard_that_was_never_made_is_made(reconciler, graded, storage):
    assert reconciler.healed(reconciler.run(), graded) == [Kind.scorecard_missing]
    rendered(reconciler, storage, graded)
    reconciler.age(graded)
    assert reconciler.found(reconciler.run(), graded) == []


def test_a_scorecard_that_is_lost_is_made_anew(reconciler, graded, storage):
    reconciler.run()
    lost = rendered(reconciler, storage, graded)
    storage.delete(lost.object_key)
    reconciler.age(graded)
    assert reconciler.healed(reconciler.run(), graded) == [Kind.scorecard_missing]
    assert rendered(reconciler, storage, graded).id == lost.id


def test_a_scorecard_that_was_given_up_is_tried_again(reconciler, practice, graded, storage):
    with unit_of_work(practice.scope):
        Export.create(
            org_id=practice.org_id, session_id=graded, content_hash=b"1", state="failed", error="x"
        )
    assert reconciler.healed(reconciler.run(), graded) == [Kind.scorecard_missing]
    rendered(reconciler, storage, graded)


def test_a_scorecard_whose_rendering_dies_each_time_is_not_begun_for_ever(
    reconciler, practice, graded
):
    for _ in range(2):
        assert reconciler.healed(reconciler.run(), graded) == [Kind.scorecard_missing]
        reconciler.end_jobs(graded, "dead", "KeyError: 'score'")
        reconciler.age(graded)
    assert reconciler.found(reconciler.run(), graded) == []
    with unit_of_work(practice.scope):
        # Other content, which may well be rendered.
        SessionGrade.update(updated_at=now()).where(SessionGrade.session_id == graded).execute()
    assert reconciler.healed(reconciler.run(), graded) == [Kind.scorecard_missing]


def test_a_scorecard_that_is_being_made_is_left_alone(reconciler, practice, graded):
    with_job(practice, graded, RENDER_SCORECARD, "retrying")
    assert reconciler.found(reconciler.run(), graded) == []


def test_while_the_storage_is_away_nothing_counts_as_lost(reconciler, graded, storage, settings):
    reconciler.run()
    rendered(reconciler, storage, graded)
    reconciler.age(graded)
    away = f"http://127.0.0.1:{free_port()}"
    init_object_storage(settings.model_copy(update={"s3_endpoint": away}))
    account = reconciler.run()
    assert reconciler.found(account, graded) == []
    assert any("object storage is away" in error for error in account.errors)


def recorded(practice: Practice, reconciler: Reconciler, **fields: object):
    session_id = practised(practice, status="completed", **fields)
    reconciler.age(session_id)
    return session_id


@pytest.mark.parametrize(
    "fields",
    [
        {"recording_state": "waiting"},
        {"recording_state": "none", "recording_url": "https://storage.vapi.ai/r.wav"},
        {"recording_state": "failed", "recording_error": "expired: its address works no more"},
        {"recording_state": "failed", "recording_error": "unreachable: it was away"},
        {"recording_state": "failed", "recording_error": "key_refused: Vapi refuses the key"},
    ],
)
def test_a_recording_that_is_not_on_its_way_is_fetched(reconciler, practice, fields):
    session_id = recorded(practice, reconciler, **fields)
    assert reconciler.healed(reconciler.run(), session_id) == [Kind.recording_missing]
    assert reconciler.session(session_id).recording_state == "waiting"
    assert len(reconciler.jobs("recordings.fetch", session_id)) == 1
    reconciler.age(session_id)
    assert reconciler.found(reconciler.run(), session_id) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"recording_state": "none"},
        {"recording_state": "failed", "recording_error": "gone: nobody has it any more"},
        {"recording_state": "failed", "recording_error": "too_large: it has 9 bytes"},
    ],
)
def test_a_recording_that_cannot_be_had_is_left_alone(reconciler, practice, fields):
    session_id = recorded(practice, reconciler, **fields)
    assert reconciler.found(reconciler.run(), session_id) == []


@pytest.mark.parametrize("reason", ["expired", "key_refused"])
def test_a_recording_that_only_a_key_can_bring_needs_one(reconciler, practice, reason):
    session_id = recorded(
        practice, reconciler, recording_state="failed", recording_error=f"{reason}: no more"
    )
    assert reconciler.found(reconciler.run(vapi_api_key=None), session_id) == []
    assert reconciler.found(reconciler.run(recordings="off"), session_id) == []
    assert reconciler.healed(reconciler.run(), session_id) == [Kind.recording_missing]


def test_a_recording_whose_server_was_away_needs_no_key(reconciler, practice):
    session_id = recorded(
        practice, reconciler, recording_state="failed", recording_error="unreachable: away"
    )
    account = reconciler.run(vapi_api_key=None)
    assert reconciler.healed(account, session_id) == [Kind.recording_missing]


def test_a_recording_whose_fetching_dies_each_time_is_not_begun_for_ever(reconciler, practice):
    session_id = recorded(
        practice, reconciler, recording_state="failed", recording_error="unreachable: away"
    )
    for _ in range(MOST_DEAD_FETCHES - 1):
        with_job(practice, session_id, FETCH, "dead")
    assert reconciler.found(reconciler.run(dry_run=True), session_id) != []
    with_job(practice, session_id, FETCH, "dead")
    assert reconciler.found(reconciler.run(dry_run=True), session_id) == []


def test_a_recording_that_is_lost_is_fetched_anew(reconciler, practice, storage, vapi):
    session_id = practice.session()
    key = recording_key(practice.org_id, session_id)
    practice.change(
        session_id,
        status="completed",
        vapi_call_id=f"call-{session_id}",
        recording_state="stored",
        recording_key=key,
    )
    reconciler.age(session_id)
    storage.put(key, b"sound", "audio/wav")
    assert reconciler.found(reconciler.run(), session_id) == []
    storage.delete(key)
    assert reconciler.healed(reconciler.run(), session_id) == [Kind.recording_missing]
    vapi.add_recording(f"call-{session_id}", b"RIFF\x24\x00\x00\x00WAVEfmt ")
    (job,) = reconciler.jobs("recordings.fetch", session_id)
    assert reconciler.try_once(job.id).state == "succeeded"
    assert storage.exists(key)
