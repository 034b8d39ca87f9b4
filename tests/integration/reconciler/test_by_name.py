"""Sessions whose call the list does not tell of: asked for by name, given up in time."""

from datetime import timedelta

import pytest
from reconciler_probe import HOUR, practised, put
from tests.support.vapi import TALK, Call, metadata_of
from tests.support.vapi_server import Fault

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.models.training import TrainingSession
from clozone.reconciler import at_vapi
from clozone.reconciler.findings import Kind
from clozone.sessions.lifecycle import CALL_UNKNOWN


def test_a_session_whose_call_ended_unheard_is_asked_for_by_name(reconciler, practice, vapi):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    practice.change(session_id, vapi_call_id=call.id, status="in_progress")
    reconciler.age(session_id, timedelta(days=3))
    # So long ago that the list, from the last run on, does not tell of it.
    put(vapi, call, *TALK, ago=timedelta(days=3))
    account = reconciler.run()
    assert reconciler.healed(account, call.id) == [Kind.report_missing]
    reconciler.process(call.id)
    assert reconciler.session(session_id).status == "processing"


def test_a_session_whose_call_vapi_does_not_know_fails_in_time(reconciler, practice, vapi):
    old, young = (
        practised(practice, vapi_call_id=f"call-{new_id()}", status="in_progress") for _ in range(2)
    )
    reconciler.age(old, timedelta(hours=49))
    reconciler.age(young, timedelta(hours=47))
    account = reconciler.run()
    assert reconciler.healed(account, old, young) == [Kind.call_unknown]
    session = reconciler.session(old)
    assert (session.status, session.ended_reason) == ("failed", CALL_UNKNOWN)
    assert reconciler.session(young).status == "in_progress"
    assert practice.rollup() == practice.recount()


@pytest.fixture
def given_up(reconciler, practice):
    """A session that was given up an hour ago, and its call."""
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    practice.change(session_id, vapi_call_id=call.id, status="in_progress", ended_reason="hang-up")
    reconciler.age(session_id, timedelta(days=3))
    assert reconciler.healed(reconciler.run(), session_id) == [Kind.call_unknown]
    reconciler.age(session_id)
    return session_id, call


def test_a_report_that_comes_after_all_decides(reconciler, practice, given_up):
    session_id, call = given_up
    reconciler.take(call.report(*TALK))
    reconciler.process(call.id)
    session = reconciler.session(session_id)
    assert (session.status, session.ended_reason) == ("processing", "customer-ended-call")
    reconciler.clean(session_id)
    assert reconciler.session(session_id).transcript
    assert practice.rollup() == practice.recount()


@pytest.mark.parametrize("ago", [HOUR, timedelta(days=3)], ids=["in the list", "by name"])
def test_a_call_that_vapi_knows_after_all_is_fetched(reconciler, vapi, given_up, ago):
    session_id, call = given_up
    put(vapi, call, *TALK, ago=ago)
    assert reconciler.healed(reconciler.run(), call.id) == [Kind.report_missing]
    reconciler.process(call.id)
    assert reconciler.session(session_id).status == "processing"


def test_one_given_up_is_asked_for_as_long_again_and_told_of_once(reconciler, vapi, given_up):
    session_id, call = given_up
    assert reconciler.found(reconciler.run(), session_id) == []
    asked = len(vapi.asked(f"/call/{call.id}"))
    assert asked == 2
    reconciler.age(session_id, timedelta(hours=49))
    reconciler.run()
    assert len(vapi.asked(f"/call/{call.id}")) == asked


def test_each_is_asked_for_in_its_turn(reconciler, practice, vapi, monkeypatch):
    with unit_of_work(Scope.platform()):
        TrainingSession.update(vapi_call_id=None).where(
            TrainingSession.status.in_(["pending", "in_progress"])
        ).execute()
    monkeypatch.setattr(at_vapi, "MOST_ASKED_BY_NAME", 2)
    sessions = [
        practised(practice, vapi_call_id=f"call-{new_id()}", status="in_progress") for _ in range(3)
    ]
    for session_id in sessions:
        reconciler.age(session_id)
    calls = [reconciler.session(session_id).vapi_call_id for session_id in sessions]

    def asked() -> list[int]:
        vapi.requests.clear()
        reconciler.run()
        return [len(vapi.asked(call_id)) for call_id in calls]

    assert [asked() for _ in range(3)] == [[1, 1, 0], [1, 0, 1], [0, 1, 1]]


def test_one_that_cannot_be_asked_for_is_in_nobodys_way(reconciler, practice, vapi):
    sessions = {}
    for _ in range(2):
        session_id = practice.session()
        call = Call(metadata_of(practice, session_id))
        practice.change(session_id, vapi_call_id=call.id, status="in_progress")
        reconciler.age(session_id, timedelta(days=3))
        put(vapi, call, *TALK, ago=timedelta(days=3))
        sessions[call.id] = session_id
    broken, whole = sessions
    vapi.fail(f"/call/{broken}", Fault(status=400))
    account = reconciler.run()
    assert [broken in error for error in account.errors] == [True]
    assert reconciler.healed(account, *sessions) == [Kind.report_missing]
    assert reconciler.found(account, whole) != []
    assert reconciler.row().calls_seen_until is not None
