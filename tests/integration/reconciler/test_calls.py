"""Calls that Vapi knows of, against what came as webhooks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from reconciler_probe import HOUR, practised, put
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, metadata_of
from tests.support.vapi_server import API_KEY, Fault

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import iso, now
from clozone.kit.ids import new_id
from clozone.models.operations import WebhookEvent
from clozone.models.training import TrainingSession
from clozone.reconciler import vapi_api
from clozone.reconciler.findings import Kind
from clozone.sessions.erasure import delete_session
from clozone.web.identity import Actor, Role

GRADE = "grading.grade_session"


@pytest.fixture
def call(practice: Practice) -> Call:
    """A call of the rep's, for which no session was started."""
    return Call(metadata_of(practice))


def sessions_of(practice: Practice, call: Call) -> list[TrainingSession]:
    with unit_of_work(practice.scope):
        return list(TrainingSession.select().where(TrainingSession.vapi_call_id == call.id))


def test_a_call_whose_report_never_came_is_graded(reconciler, practice, vapi):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    put(vapi, call, *TALK)

    account = reconciler.run()

    assert reconciler.healed(account, call.id) == [Kind.report_missing]
    assert account.errors == []
    reconciler.process(call.id)
    reconciler.clean(session_id)
    session = reconciler.session(session_id)
    assert (session.status, session.vapi_call_id) == ("processing", call.id)
    assert [turn["speaker"] for turn in session.transcript] == ["customer", "rep"] * 3
    assert (session.call_summary, session.call_cost_microdollars) == (
        "A talk about prices.",
        418_700,
    )
    assert len(reconciler.jobs(GRADE, session_id)) == 1
    (event,) = reconciler.events(call.id)
    assert event.headers["user-agent"] == "clozone reconciler"
    assert (event.state, event.message_type) == ("processed", "end-of-call-report")
    assert {headers["authorization"] for _, headers in vapi.requests} == {f"Bearer {API_KEY}"}


def test_a_second_run_finds_nothing_more(reconciler, practice, vapi):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    put(vapi, call, *TALK)
    reconciler.run()
    again = reconciler.run()
    assert reconciler.found(again, call.id, session_id) == []
    reconciler.process(call.id)
    reconciler.clean(session_id)
    assert reconciler.found(reconciler.run(), call.id, session_id) == []
    assert len(reconciler.events(call.id)) == 1


@pytest.mark.parametrize("when", ["before it is processed", "afterwards"])
def test_the_real_report_that_comes_late_gives_no_second_grade(reconciler, practice, vapi, when):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    put(vapi, call, *TALK)
    reconciler.run()
    if when == "afterwards":
        reconciler.process(call.id)
        reconciler.clean(session_id)
    reconciler.take(call.report(*TALK))
    reconciler.process(call.id)
    reconciler.clean(session_id)
    assert len(reconciler.events(call.id)) == 2
    assert [event.state for event in reconciler.events(call.id)] == ["processed"] * 2
    assert len(reconciler.jobs("sessions.clean_transcript", session_id)) == 1
    assert len(reconciler.jobs(GRADE, session_id)) == 1
    assert practice.rollup() == practice.recount()


def test_a_report_that_named_no_call_is_recognised_and_gives_no_second_grade(
    reconciler, practice, vapi
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    nameless = Call(call.metadata, id=None)
    event_id = reconciler.take(nameless.report(*TALK))
    reconciler.process_event(event_id)
    reconciler.clean(session_id)
    put(vapi, call, *TALK)
    assert reconciler.healed(reconciler.run(), call.id) == [Kind.report_missing]
    reconciler.process(call.id)
    reconciler.clean(session_id)
    assert reconciler.session(session_id).vapi_call_id == call.id
    assert len(reconciler.jobs(GRADE, session_id)) == 1
    assert reconciler.found(reconciler.run(), call.id, session_id) == []


def test_a_second_call_of_a_session_gets_a_session_of_its_own(reconciler, practice, vapi):
    session_id = practice.session()
    first, second = (Call(metadata_of(practice, session_id)) for _ in range(2))
    practice.change(session_id, vapi_call_id=first.id, status="completed")
    put(vapi, second, *TALK)
    assert reconciler.healed(reconciler.run(), second.id) == [Kind.report_missing]
    reconciler.process(second.id)
    (sibling,) = sessions_of(practice, second)
    assert (sibling.id != session_id, sibling.user_id) == (True, practice.rep)
    assert reconciler.session(session_id).status == "completed"


def test_two_runs_at_once_do_nothing_twice(reconciler, practice, vapi):
    calls = {}
    for _ in range(5):
        session_id = practice.session()
        call = Call(metadata_of(practice, session_id))
        calls[call.id] = session_id
        put(vapi, call, *TALK)
    stalled = practised(practice, status="processing")
    reconciler.age(stalled)
    with ThreadPoolExecutor(4) as pool:
        accounts = [run.result() for run in [pool.submit(reconciler.run) for _ in range(4)]]
    assert [account.errors for account in accounts] == [[]] * 4
    for call_id, session_id in calls.items():
        assert len(reconciler.events(call_id)) == 1
        reconciler.process(call_id)
        reconciler.clean(session_id)
        assert len(reconciler.jobs(GRADE, session_id)) == 1
    healed = [kind for account in accounts for kind in reconciler.healed(account, stalled)]
    assert healed == [Kind.grading_stalled]
    assert len(reconciler.jobs("sessions.clean_transcript", stalled)) == 1


def test_a_call_without_a_session_gets_one_for_the_person_it_names(
    reconciler, practice, vapi, call
):
    put(vapi, call, *TALK)
    account = reconciler.run()
    assert reconciler.healed(account, call.id) == [Kind.report_missing]
    reconciler.process(call.id)
    (session,) = sessions_of(practice, call)
    assert (session.user_id, session.status) == (practice.rep, "processing")


def test_a_dry_run_only_says_so(reconciler, practice, vapi, call):
    put(vapi, call, *TALK)
    account = reconciler.run(dry_run=True)
    assert [f.kind for f in reconciler.found(account, call.id)] == [Kind.report_missing]
    assert account.healed == []
    assert reconciler.events(call.id) == []
    assert vapi.asked(f"/call/{call.id}") == []
    # It counts for nothing: the next run looks from the same time on.
    assert reconciler.row().dry_run is True
    assert reconciler.healed(reconciler.run(), call.id) == [Kind.report_missing]


def test_what_is_not_ours_is_passed_over(reconciler, practice, vapi):
    stranger = Practice()
    calls = [
        Call(None),
        Call({"order": "pizza"}),
        Call({"user_id": str(new_id()), "org_id": str(practice.org_id)}),
        Call(metadata_of(practice, user_id=stranger.rep)),
        Call({"session_id": str(new_id())}),
    ]
    for call in calls:
        put(vapi, call, *TALK)
    account = reconciler.run()
    assert reconciler.found(account, *(call.id for call in calls)) == []
    assert account.checked["calls"] >= len(calls)


def test_a_deleted_sessions_call_stays_deleted(reconciler, practice, vapi):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    practice.change(session_id, vapi_call_id=call.id)
    with unit_of_work(practice.scope):
        delete_session(Actor(practice.manager, practice.org_id, Role.manager), session_id)
    put(vapi, call, *TALK)
    assert reconciler.found(reconciler.run(), call.id, session_id) == []
    assert reconciler.events(call.id) == []


@pytest.mark.parametrize("fields", [{"status": "in-progress"}, {"status": "queued"}])
def test_a_call_that_goes_on_is_left_alone(reconciler, practice, vapi, call, fields):
    put(vapi, call, *TALK, **fields)
    assert reconciler.found(reconciler.run(), call.id) == []


def test_a_report_that_is_about_to_come_is_waited_for(reconciler, practice, vapi, call):
    put(vapi, call, *TALK, ago=timedelta(seconds=30))
    assert reconciler.found(reconciler.run(), call.id) == []
    put(vapi, call, *TALK, ago=timedelta(minutes=4))
    # And the next run still sees it, although it looks only from the last one on.
    assert reconciler.healed(reconciler.run(), call.id) == [Kind.report_missing]


def test_a_report_that_could_not_be_processed_is_told_of_and_left_to_a_person(
    reconciler, practice, vapi
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    event_id = reconciler.take(call.report(*TALK))
    with unit_of_work(Scope.platform()):
        WebhookEvent.update(state="dead", reason="broken").where(
            WebhookEvent.id == event_id
        ).execute()
    put(vapi, call, *TALK)
    account = reconciler.run()
    assert [f.kind for f in reconciler.found(account, call.id)] == [Kind.report_dead]
    assert reconciler.healed(account, call.id) == []


def test_many_calls_are_read_page_by_page_each_once(reconciler, practice, vapi, monkeypatch):
    monkeypatch.setattr(vapi_api, "PAGE", 7)
    sessions = {}
    for number in range(24):
        session_id = practice.session()
        call = Call(metadata_of(practice, session_id))
        sessions[call.id] = session_id
        # Some were made in the same moment, at the edge of a page too.
        put(vapi, call, *TALK, ago=HOUR + timedelta(seconds=number // 3))
    account = reconciler.run()
    assert sorted(f.call_id for f in account.healed if f.call_id in sessions) == sorted(sessions)
    assert account.checked["calls"] >= 24
    assert all(len(reconciler.events(call_id)) == 1 for call_id in sessions)
    assert len(vapi.asked(r"/call\?")) >= 4


def test_a_list_that_does_not_go_on_is_an_error_and_not_the_end(
    reconciler, practice, vapi, monkeypatch
):
    monkeypatch.setattr(vapi_api, "PAGE", 3)
    for _ in range(4):
        put(vapi, Call(metadata_of(practice)), *TALK)
        for told in vapi.calls.values():
            told["createdAt"] = told["updatedAt"] = iso(now() - HOUR)[:17] + "00.000Z"
    account = reconciler.run()
    assert any("does not go on" in error for error in account.errors)
    assert reconciler.row().calls_seen_until is None


def test_an_endless_list_is_not_read_for_ever(reconciler, practice, vapi, monkeypatch):
    monkeypatch.setattr(vapi_api, "PAGE", 2)
    monkeypatch.setattr(vapi_api, "MOST_PAGES", 3)
    for number in range(12):
        put(vapi, Call(None), ago=HOUR + timedelta(seconds=number))
    account = reconciler.run()
    assert any("more than 6 calls" in error for error in account.errors)
    assert len(vapi.asked(r"/call\?")) == 3


def test_the_next_run_asks_from_where_the_last_one_began(reconciler, vapi):
    reconciler.run()
    first = reconciler.row()
    assert first.calls_seen_until == first.started_at
    reconciler.run()
    asked = [path for path, _ in vapi.requests if path.startswith("/call?")]
    since = iso(first.started_at - timedelta(minutes=15)).replace(":", "%3A")
    assert f"updatedAtGe={since}" in asked[1]
    assert asked[0] != asked[1]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([Fault(status=401)], "check VAPI_API_KEY"),
        ([Fault(status=403)], "check VAPI_API_KEY"),
        ([Fault(status=404, body=b"{}")], "check VAPI_BASE_URL"),
        ([Fault(status=200, body=b"<html>")], "not JSON"),
        ([Fault(status=200, body=b"[" * 100_000)], "not JSON"),
        ([Fault(status=200, body=b'{"id": "x"}')], "no list of calls"),
        ([Fault(status=200, body=b'[{"name": "x"}]')], "no list of calls"),
        ([Fault(status=302, headers=(("Location", "/elsewhere"),))], "answered 302"),
        ([Fault(status=503, headers=(("Retry-After", "0"),))] * 4, "answered 503, 4 times"),
    ],
)
def test_what_vapi_refuses_is_said_and_the_rest_goes_on(reconciler, practice, vapi, faults, words):
    stalled = practised(practice, status="processing")
    reconciler.age(stalled)
    vapi.fail(r"/call\?", *faults)
    account = reconciler.run()
    assert any(words in error for error in account.errors), account.errors
    assert reconciler.row().calls_seen_until is None
    assert reconciler.row().errors == account.errors
    assert reconciler.healed(account, stalled) == [Kind.grading_stalled]


def test_a_busy_vapi_is_asked_again(reconciler, practice, vapi, call):
    put(vapi, call, *TALK)
    busy = Fault(status=429, headers=(("Retry-After", "0.01"),))
    vapi.fail(r"/call\?", busy, Fault(status=500, headers=(("Retry-After", "0"),)))
    vapi.fail(r"/call/", busy, Fault(cut_after=10))
    account = reconciler.run()
    assert account.errors == []
    assert reconciler.healed(account, call.id) == [Kind.report_missing]


def test_a_call_that_could_not_be_fetched_is_seen_again(reconciler, practice, vapi, call):
    put(vapi, call, *TALK)
    vapi.fail(r"/call/", Fault(status=400))
    account = reconciler.run()
    assert [call.id in error for error in account.errors] == [True]
    assert reconciler.row().calls_seen_until is None
    assert reconciler.healed(reconciler.run(), call.id) == [Kind.report_missing]


def test_nobody_at_the_address_is_an_error(reconciler, monkeypatch):
    monkeypatch.setattr(vapi_api, "TRIES", 1)
    for address, words in (
        ("http://127.0.0.1:1", "could not be reached"),
        ("vapi.example", "no address"),
        ("ftp://127.0.0.1", "no address"),
    ):
        account = reconciler.run(vapi_base_url=address)
        assert any(words in error for error in account.errors), account.errors


def test_a_recording_that_came_after_the_report_is_fetched(reconciler, practice, vapi):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    practice.change(session_id, vapi_call_id=call.id, status="completed")
    url = vapi.add_recording(call.id, b"RIFF\x24\x00\x00\x00WAVEfmt ")
    expires_at = iso(now() + HOUR)
    put(
        vapi,
        call,
        *TALK,
        artifact={"presignedMonoUrl": url, "presignedUrlsExpiresAt": expires_at},
    )
    account = reconciler.run()
    assert reconciler.healed(account, session_id) == [Kind.recording_missing]
    session = reconciler.session(session_id)
    assert (session.recording_state, session.recording_url) == ("waiting", url)
    (job,) = reconciler.jobs("recordings.fetch", session_id)
    assert reconciler.try_once(job.id).state == "succeeded"
    assert reconciler.session(session_id).recording_state == "stored"


def test_without_a_key_vapi_is_not_asked_and_the_rest_is_done(reconciler, practice, vapi, call):
    put(vapi, call, *TALK)
    stalled = practised(practice, status="processing")
    reconciler.age(stalled)
    account = reconciler.run(vapi_api_key=None)
    assert vapi.requests == []
    assert (account.with_vapi, account.errors) == (False, [])
    assert reconciler.healed(account, stalled, call.id) == [Kind.grading_stalled]
