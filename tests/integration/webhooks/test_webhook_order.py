"""Deliveries may be repeated, late and out of order: sessions only move forward, and nothing twice."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from inbox_probe import CLEAN, GRADE, Inbox
from tests.support.practice import Practice
from tests.support.vapi import STARTED_AT, TALK, Call, metadata_of

SPEAKERS = ["customer", "rep"] * 3


def test_a_call_from_beginning_to_end(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    statuses = []
    bodies = (call.status("ringing"), call.status("in-progress"), call.ended(), call.report(*TALK))
    for body in bodies:
        inbox.receive(body)
        statuses.append(inbox.session(session_id).status)
    assert statuses == ["pending", "in_progress", "in_progress", "processing"]
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert (session.status, session.vapi_call_id) == ("processing", call.id)
    assert [turn["speaker"] for turn in session.transcript] == SPEAKERS
    assert session.started_at == STARTED_AT
    assert session.duration_seconds == 36.0
    assert session.call_cost_microdollars == 418_700
    assert session.metrics["basis"] == "timestamps"
    assert len(inbox.jobs_on(session_id, GRADE)) == 1
    assert practice.rollup() == practice.recount()


def test_each_job_carries_the_organisation_and_the_request_of_the_webhook(
    inbox: Inbox, practice: Practice
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    event = inbox.take(call.report(*TALK), **{"X-Request-ID": "webhook-request-1"})
    inbox.process(event)
    inbox.clean(session_id)
    assert inbox.event(event).request_id == "webhook-request-1"
    assert inbox.event(event).org_id == practice.org_id
    (process,) = inbox.jobs_of(event)
    assert (process.org_id, process.request_id) == (None, "webhook-request-1")
    for kind in (CLEAN, GRADE):
        (job,) = inbox.jobs_on(session_id, kind)
        assert (job.org_id, job.request_id) == (practice.org_id, "webhook-request-1")


def test_a_repetition_is_counted_and_not_stored(inbox: Inbox, practice: Practice):
    call = Call(metadata_of(practice, practice.session()))
    body = call.report(*TALK)
    first = inbox.post(body).json()
    again = copy.deepcopy(body)
    again["message"]["timestamp"] = 1_795_489_999_999
    again["message"]["artifact"]["recordingUrl"] += "?X-Amz-Signature=2"
    second = inbox.post(again).json()
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["id"] == second["id"]
    event = inbox.event(first["id"])
    assert event.deliveries == 2
    assert event.last_delivered_at > event.received_at
    assert len(inbox.jobs_of(event.id)) == 1


def test_a_repetition_after_processing_changes_nothing(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    inbox.receive(call.report(*TALK))
    before = inbox.session(session_id)
    event = inbox.receive(call.report(*TALK))
    assert (event.state, event.deliveries) == ("processed", 2)
    assert inbox.session(session_id).__data__ == before.__data__
    assert len(inbox.jobs_on(session_id, CLEAN)) == 1


def test_the_same_delivery_from_twenty_threads_is_stored_once(inbox: Inbox, practice: Practice):
    body = Call(metadata_of(practice, practice.session())).report(*TALK)
    together = threading.Barrier(20)

    def deliver(_: int) -> dict:
        together.wait()
        answer = inbox.post(body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(deliver, range(20)))
    (event_id,) = {answer["id"] for answer in answers}
    assert sum(not answer["duplicate"] for answer in answers) == 1
    assert inbox.event(event_id).deliveries == 20
    assert len(inbox.jobs_of(event_id)) == 1


def test_ended_before_in_progress(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    for body in (call.ended("silence-timed-out"), call.status("in-progress")):
        inbox.receive(body)
    session = inbox.session(session_id)
    assert (session.status, session.ended_reason) == ("in_progress", "silence-timed-out")


@pytest.mark.parametrize("late", ["in-progress", "ended", "forwarding", "queued", "never-heard-of"])
@pytest.mark.parametrize("cleaned", [False, True])
@pytest.mark.parametrize("talk", [TALK, ()], ids=["gradable", "silent"])
def test_a_late_status_never_reopens(
    inbox: Inbox, practice: Practice, late: str, cleaned: bool, talk: tuple
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    inbox.receive(call.report(*talk))
    if cleaned:
        inbox.clean(session_id)
    before = inbox.session(session_id)
    assert inbox.receive(call.status(late)).state == "processed"
    after = inbox.session(session_id)
    assert {**after.__data__, "updated_at": None} == {**before.__data__, "updated_at": None}
    assert len(inbox.jobs_on(session_id, CLEAN)) == 1


@pytest.mark.parametrize("status", ["completed", "failed"])
@pytest.mark.parametrize("deliver", [lambda call: call.ended(), lambda call: call.report(*TALK)])
def test_what_is_over_stays_over(inbox: Inbox, practice: Practice, status: str, deliver):
    call = Call()
    session_id = practice.session(status=status, vapi_call_id=call.id, transcript=[])
    inbox.receive(deliver(call))
    assert inbox.session(session_id).status == status
    assert inbox.session(session_id).transcript == []
    assert inbox.jobs_on(session_id, CLEAN) == []


def test_of_two_full_reports_the_first_decides(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    inbox.receive(call.report(*TALK))
    event = inbox.receive(call.report(*TALK, ("user", "One more word."), cost=9))
    assert event.state == "processed"
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert len(session.transcript) == len(TALK)
    assert session.call_cost_microdollars == 418_700


def test_the_report_knows_better_than_a_status(inbox: Inbox, practice: Practice):
    """A status update carries what was known while the call ran: a cost of 0, for one."""
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    inbox.receive(call.status("in-progress", startedAt="2026-11-24T02:59:58Z", summary="So far."))
    inbox.receive(call.report(*TALK))
    session = inbox.session(session_id)
    assert session.call_cost_microdollars == 418_700
    assert session.call_summary == "A talk about prices."
    assert session.started_at == STARTED_AT
    assert practice.rollup() == practice.recount()


SILENT = {"endedReason": "customer-did-not-answer", "cost": 0.01, "durationSeconds": 2.0}
HALF = TALK[:1]


@pytest.mark.parametrize("talk", [(), HALF], ids=["silent", "one-sided"])
@pytest.mark.parametrize("cleaned", [True, False])
def test_a_fuller_report_heals(inbox: Inbox, practice: Practice, talk: tuple, cleaned: bool):
    """Whether it comes after the session was found not gradable, or before anybody looked."""
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    inbox.receive(call.report(*talk, **SILENT))
    if cleaned:
        inbox.clean(session_id)
        assert inbox.session(session_id).status == "not_gradable"
        assert practice.rollup() == practice.recount()
    inbox.receive(call.report(*TALK))
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert (session.status, session.not_gradable_reason) == ("processing", None)
    assert [turn["speaker"] for turn in session.transcript] == SPEAKERS
    assert session.ended_reason == "customer-ended-call"
    assert session.duration_seconds == 36.0
    assert session.call_cost_microdollars == 418_700
    assert len(inbox.jobs_on(session_id, GRADE)) == 1
    assert practice.rollup() == practice.recount()


def test_an_empty_report_after_a_full_one_takes_nothing_away(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    for body in (call.report(*TALK), call.report(**SILENT)):
        inbox.receive(body)
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert (session.status, session.ended_reason) == ("processing", "customer-ended-call")
    assert len(session.transcript) == len(TALK)


def test_a_fuller_report_may_still_not_be_gradable(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    for talk in ((), TALK):
        inbox.receive(call.report(*talk, endedReason="voicemail"))
        inbox.clean(session_id)
        session = inbox.session(session_id)
        assert (session.status, session.not_gradable_reason) == ("not_gradable", "voicemail")
        assert len(session.transcript) == len(talk)
        assert practice.rollup() == practice.recount()


def test_times_out_of_order(inbox: Inbox, practice: Practice):
    """A call that ends before it starts has an end nobody believes; the words tell its length."""
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    talk = call.report(*TALK, endedAt="2026-11-24T02:00:00Z")
    talk["message"]["artifact"]["messages"].reverse()
    inbox.receive(talk)
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert (session.started_at, session.ended_at) == (STARTED_AT, None)
    assert session.duration_seconds == 35.4
    assert [turn["speaker"] for turn in session.transcript] == SPEAKERS
    assert [turn["start"] for turn in session.transcript] == [0.0, 6.0, 12.0, 18.0, 24.0, 30.0]
    assert session.status == "processing"


@pytest.mark.parametrize(
    "entry",
    [
        {"secondsFromStart": 1e306, "time": 1_795_489_200_000},
        {"secondsFromStart": 1e308, "duration": 1e308},
        {"time": -1e308, "endTime": 1e308},
        {"time": 1e308, "duration": 1e308},
    ],
)
def test_times_beyond_any_call(inbox: Inbox, practice: Practice, entry: dict):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    report = call.report(*TALK, startedAt=None)
    report["message"]["artifact"]["messages"][0] |= {"time": None, "endTime": None, **entry}
    for message in report["message"]["artifact"]["messages"][1:]:
        del message["secondsFromStart"]
    inbox.receive(report)
    inbox.clean(session_id)
    assert len(inbox.session(session_id).transcript) >= 1


def test_moments_of_another_age_are_not_told(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    inbox.receive(call.report(*TALK, startedAt="0001-01-01T00:00:00Z", endedAt=253_402_300_799_999))
    session = inbox.session(session_id)
    assert (session.started_at, session.ended_at) == (None, None)
