"""Our own rows against each other."""

from datetime import timedelta

import pytest
from reconciler_probe import HOUR, practised, with_job
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, metadata_of

from clozone.exports.service import RENDER_SCORECARD
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.models.operations import Job, WebhookEvent
from clozone.models.training import SessionGrade
from clozone.reconciler.findings import Finding, Kind, Recording
from clozone.reconciler.healing import heal
from clozone.sessions.erasure import delete_session
from clozone.web.identity import Actor, Role

CLEAN, GRADE = "sessions.clean_transcript", "grading.grade_session"


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


def test_a_delivery_that_was_processed_meanwhile_is_not_processed_again(reconciler, practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    event_id = reconciler.take(call.report(*TALK))
    reconciler.process(call.id)
    assert heal(Finding(Kind.event_waiting, event_id), None) is False
    with unit_of_work(Scope.platform()):
        states = [job.state for job in Job.select().where(Job.subject_id == event_id)]
    assert states == ["succeeded"]


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
        with_job(practice, session_id, RENDER_SCORECARD, "queued")
    before = reconciler.session(session_id)
    finding = Finding(kind, session_id, recording=recording)
    assert heal(finding, None) is False
    after = reconciler.session(session_id)
    assert (after.status, after.recording_state) == (before.status, before.recording_state)
    with unit_of_work(Scope.platform()):
        assert SessionGrade.select().where(SessionGrade.session_id == session_id).count() == (
            0 if gone else 1
        )
