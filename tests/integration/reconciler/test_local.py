"""Our own rows and files against each other."""

from datetime import timedelta

import pytest
from reconciler_probe import HOUR, Reconciler, practised
from tests.support.practice import Practice
from tests.support.processes import free_port
from tests.support.vapi import TALK, Call, metadata_of

from clozone.infra.object_storage import ObjectStorage, init_object_storage, recording_key
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.models.operations import Job, WebhookEvent
from clozone.models.training import Export, SessionGrade
from clozone.reconciler.findings import Finding, Kind, Recording
from clozone.reconciler.healing import heal
from clozone.reconciler.local import MOST_DEAD_FETCHES
from clozone.sessions.erasure import delete_session
from clozone.sessions.recording import FETCH
from clozone.web.identity import Actor, Role

CLEAN, GRADE, RENDER = (
    "sessions.clean_transcript",
    "grading.grade_session",
    "exports.render_scorecard",
)


def with_job(practice: Practice, session_id, kind: str, state: str, error: str = "") -> None:
    """A job of the session's, in this state."""
    with unit_of_work(practice.scope):
        job_id = enqueue(kind, {"session_id": str(session_id)}, subject_id=session_id)
        Job.update(state=state, last_error=error).where(Job.id == job_id).execute()


def delete(practice: Practice, session_id) -> None:
    with unit_of_work(practice.scope):
        delete_session(Actor(practice.manager, practice.org_id, Role.manager), session_id)


@pytest.mark.parametrize(
    ("transcript", "step"), [(None, CLEAN), ([{"index": 0, "speaker": "rep", "text": "Hi"}], GRADE)]
)
def test_a_session_that_waits_for_nobody_is_taken_up(reconciler, practice, transcript, step):
    session_id = practised(practice, status="processing", transcript=transcript)
    reconciler.age(session_id)
    assert reconciler.healed(reconciler.run(), session_id) == [Kind.grading_stalled]
    assert [job.state for job in reconciler.jobs(step, session_id)] == ["queued"]
    assert reconciler.found(reconciler.run(), session_id) == []


@pytest.mark.parametrize("state", ["scheduled", "queued", "running", "retrying", "cancelled"])
def test_a_session_whose_job_lives_or_was_cancelled_is_left_alone(reconciler, practice, state):
    session_id = practised(practice, status="processing")
    with_job(practice, session_id, GRADE, state)
    reconciler.age(session_id)
    assert reconciler.found(reconciler.run(), session_id) == []


def test_what_just_changed_is_left_alone(reconciler, practice):
    session_id = practised(practice, status="processing")
    assert reconciler.found(reconciler.run(), session_id) == []


def test_a_grading_that_failed_for_a_passing_reason_is_tried_once_more(reconciler, practice):
    session_id = practised(practice, status="failed", transcript=[])
    with_job(practice, session_id, GRADE, "dead", "ModelBusy: unreachable: the model is away")
    reconciler.age(session_id)
    assert reconciler.healed(reconciler.run(), session_id) == [Kind.grading_failed]
    assert reconciler.session(session_id).status == "processing"
    assert [job.state for job in reconciler.jobs(GRADE, session_id)] == ["dead", "queued"]
    reconciler.end_jobs(session_id, "dead", "ModelBusy: unreachable: the model is away")
    practice.change(session_id, status="failed")
    reconciler.age(session_id)
    assert reconciler.found(reconciler.run(), session_id) == []


@pytest.mark.parametrize(
    "error",
    [
        "Permanent: quarantined: 3 workers fell silent while running it",
        "ModelRefused: auth: the key is wrong",
        "UnusableAnswer: truncated: the answer was cut off",
        "KeyError: 'session_id'",
    ],
)
def test_one_that_failed_for_a_reason_of_its_own_is_not(reconciler, practice, error):
    session_id = practised(practice, status="failed", transcript=[])
    with_job(practice, session_id, GRADE, "dead", error)
    reconciler.age(session_id)
    assert reconciler.found(reconciler.run(), session_id) == []


def test_one_that_failed_before_the_time_looked_back_is_not(reconciler, practice):
    session_id = practised(practice, status="failed", transcript=[])
    with_job(practice, session_id, GRADE, "dead", "OperationalError: gone")
    reconciler.age(session_id, timedelta(hours=49))
    assert reconciler.found(reconciler.run(), session_id) == []
    since = now() - timedelta(hours=50)
    assert reconciler.healed(reconciler.run(since=since), session_id) == [Kind.grading_failed]


def test_a_delivery_without_a_job_is_processed(reconciler, practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    event_id = reconciler.take(call.report(*TALK))
    with unit_of_work(Scope.platform()):
        Job.delete().where(Job.subject_id == event_id).execute()
        WebhookEvent.update(received_at=now() - HOUR).where(WebhookEvent.id == event_id).execute()
    assert reconciler.healed(reconciler.run(), event_id) == [Kind.event_waiting]
    reconciler.process(call.id)
    assert reconciler.session(session_id).status == "processing"
    assert reconciler.found(reconciler.run(), event_id) == []


@pytest.fixture
def graded(reconciler: Reconciler, practice: Practice):
    """A graded session of an hour ago, without a scorecard."""
    session_id = practice.graded(80)
    reconciler.age(session_id)
    return session_id


def rendered(reconciler: Reconciler, storage: ObjectStorage, session_id) -> Export:
    """Run the job that was added; the scorecard, which is there then."""
    job = reconciler.jobs(RENDER, session_id)[-1]
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
    with_job(practice, graded, RENDER, "retrying")
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


@pytest.mark.parametrize(
    ("kind", "recording"),
    [
        (Kind.grading_stalled, None),
        (Kind.grading_failed, None),
        (Kind.call_unknown, None),
        (Kind.scorecard_missing, None),
        (Kind.recording_missing, Recording("waiting")),
    ],
)
@pytest.mark.parametrize("gone", [False, True])
def test_what_mended_itself_meanwhile_is_not_touched(
    reconciler, practice, storage, kind, recording, gone
):
    session_id = practice.session() if gone else practice.graded(70)
    if gone:
        delete(practice, session_id)
    else:
        with_job(practice, session_id, RENDER, "queued")
    before = reconciler.session(session_id)
    finding = Finding(kind, session_id, recording=recording)
    assert heal(finding, None) is False
    after = reconciler.session(session_id)
    assert (after.status, after.recording_state) == (before.status, before.recording_state)
    with unit_of_work(Scope.platform()):
        assert SessionGrade.select().where(SessionGrade.session_id == session_id).count() == (
            0 if gone else 1
        )
