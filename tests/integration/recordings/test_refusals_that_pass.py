"""Answers that say no for now: a refused key, a recording that is not there yet."""

from datetime import timedelta

import pytest
from recording_probe import WAV
from tests.support.vapi_server import API_KEY, Fault

from clozone.kit.clock import now
from clozone.kit.ids import new_id


@pytest.fixture
def call_id() -> str:
    return f"call-{new_id()}"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_tried_again_and_named_in_the_end(
    recordings, practice, vapi, call_id, status
):
    session_id = recordings.waiting(practice, call_id, None)
    vapi.fail("mono-recording", *[Fault(status=status)] * 10)
    job_id = recordings.order(practice, session_id)
    jobs = [recordings.try_once(job_id) for _ in range(10)]
    assert [job.state for job in jobs] == ["retrying"] * 9 + ["dead"]
    assert "VAPI_API_KEY" in jobs[0].last_error
    session = recordings.session(session_id)
    assert session.recording_state == "failed"
    assert session.recording_error.startswith("key_refused: ")


def test_a_key_that_is_set_right_meanwhile_fetches_it(recordings, practice, vapi, call_id):
    vapi.add_recording(call_id, WAV)
    recordings.configure(vapi_api_key="wrong")
    session_id = recordings.waiting(practice, call_id, None)
    job_id = recordings.order(practice, session_id)
    assert recordings.try_once(job_id).state == "retrying"
    recordings.configure(vapi_api_key=API_KEY)
    assert recordings.try_once(job_id).state == "succeeded"
    assert recordings.session(session_id).recording_state == "stored"


def test_a_refused_key_does_not_hide_an_address_that_works(recordings, practice, vapi, call_id):
    recordings.configure(vapi_api_key="wrong")
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    assert recordings.fetch(practice, session_id).state == "succeeded"
    assert recordings.session(session_id).recording_state == "stored"


def test_a_bad_request_at_an_address_that_still_works_may_pass(recordings, practice, vapi, call_id):
    recordings.configure(vapi_api_key=None)
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    vapi.fail("/storage/", Fault(status=400))
    job_id = recordings.order(practice, session_id)
    assert recordings.try_once(job_id).state == "retrying"
    assert recordings.try_once(job_id).state == "succeeded"
    assert recordings.session(session_id).recording_state == "stored"


def test_a_recording_that_vapi_does_not_have_yet_is_waited_for(recordings, practice, vapi, call_id):
    session_id = recordings.waiting(practice, call_id, None)
    job_id = recordings.order(practice, session_id)
    first = recordings.try_once(job_id)
    assert first.state == "retrying"
    assert first.run_at > now() + timedelta(seconds=30)
    vapi.add_recording(call_id, WAV)
    assert recordings.try_once(job_id).state == "succeeded"
    assert recordings.session(session_id).recording_state == "stored"
