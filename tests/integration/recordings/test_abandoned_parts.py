"""What stays of sessions that are deleted or given up: nothing, in storage or on disk."""

import os
import time

import pytest
from recording_probe import WAV
from tests.support.practice import Practice
from tests.support.vapi_server import Fault

from clozone.infra.object_storage import recording_key
from clozone.infra.postgres import unit_of_work
from clozone.kit.ids import new_id
from clozone.recordings import jobs
from clozone.recordings.fetcher import fetcher
from clozone.sessions.erasure import delete_session
from clozone.web.identity import Actor, Role


@pytest.fixture
def call_id() -> str:
    return f"call-{new_id()}"


def delete(practice: Practice, session_id) -> None:
    with unit_of_work(practice.scope):
        delete_session(Actor(practice.manager, practice.org_id, Role.manager), session_id)


def test_a_session_deleted_before_is_left_alone(recordings, practice, vapi, call_id):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    delete(practice, session_id)
    assert recordings.fetch(practice, session_id).state == "succeeded"
    assert vapi.requests == []


def test_a_session_deleted_meanwhile_leaves_no_file(
    recordings, practice, vapi, storage, call_id, monkeypatch
):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    written = []

    class Slow:
        def put_file(self, key, path, content_type):
            found = storage.put_file(key, path, content_type)
            written.append(storage.exists(key))
            delete(practice, session_id)
            return found

        def delete(self, key):
            storage.delete(key)

    monkeypatch.setattr(jobs, "object_storage", Slow)
    assert recordings.fetch(practice, session_id).state == "succeeded"
    assert written == [True]
    assert not storage.exists(recording_key(practice.org_id, session_id))
    assert recordings.session(session_id).recording_state == "none"
    assert recordings.files() == []


@pytest.fixture
def broken_off(recordings, practice, vapi, call_id):
    """A session whose recording is half here, and the job that goes on."""
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    vapi.fail("/storage/", Fault(cut_after=200_000))
    job_id = recordings.order(practice, session_id)
    assert recordings.try_once(job_id).state == "retrying"
    assert recordings.files() == [f"{session_id}.json", f"{session_id}.part"]
    return session_id, job_id


def test_of_a_session_deleted_between_two_attempts_nothing_stays(recordings, practice, broken_off):
    session_id, job_id = broken_off
    delete(practice, session_id)
    assert recordings.try_once(job_id).state == "succeeded"
    assert recordings.files() == []


def test_of_one_given_up_nothing_stays(recordings, vapi, broken_off):
    _, job_id = broken_off
    vapi.fail("/storage/", *[Fault(status=500)] * 9)
    assert [recordings.try_once(job_id).state for _ in range(9)][-1] == "dead"
    assert recordings.files() == []


def test_of_one_that_is_not_wanted_any_more_nothing_stays(recordings, broken_off):
    _, job_id = broken_off
    recordings.configure(recordings="off")
    assert recordings.try_once(job_id).state == "succeeded"
    assert recordings.files() == []


@pytest.mark.parametrize("wanted", ["store", "off"])
def test_leftovers_of_a_day_ago_are_removed(recordings, wanted):
    recordings.configure(recordings=wanted)
    recordings.folder.mkdir(parents=True)
    for name, age in (("old.part", 90_000), ("old.json", 90_000), ("young.part", 60)):
        path = recordings.folder / name
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
    fetcher().sweep()
    assert recordings.files() == ["young.part"]
