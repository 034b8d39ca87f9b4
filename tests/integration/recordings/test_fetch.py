"""The job that brings recordings home, against a storage that misbehaves."""

from datetime import timedelta

import pytest
from recording_probe import WAV, Recordings
from tests.support.vapi_server import API_KEY, Fault, VapiServer

from clozone.infra.object_storage import ObjectStorage, StoredObject, recording_key
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.recordings import jobs


@pytest.fixture
def call_id() -> str:
    return f"call-{new_id()}"


def stored(recordings: Recordings, storage: ObjectStorage, session_id) -> bytes:
    session = recordings.session(session_id)
    assert (session.recording_state, session.recording_error) == ("stored", None)
    assert session.recording_key == recording_key(session.org_id, session_id)
    content = storage.get(session.recording_key)
    assert session.recording_bytes == len(content)
    assert session.recording_content_type == "audio/wav"
    assert recordings.files() == []
    return content


def failed(recordings: Recordings, storage: ObjectStorage, session_id, code: str) -> str:
    session = recordings.session(session_id)
    assert session.recording_state == "failed"
    assert session.recording_key is None
    assert not storage.exists(recording_key(session.org_id, session_id))
    assert recordings.files() == []
    assert session.recording_error.startswith(f"{code}: ")
    return session.recording_error


def test_a_recording_is_fetched_from_its_address(recordings, practice, vapi, storage, call_id):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    assert recordings.fetch(practice, session_id).state == "succeeded"
    assert stored(recordings, storage, session_id) == WAV
    assert len(vapi.requests) == 1


def test_a_large_one_is_stored_in_parts(recordings, practice, vapi, storage, call_id):
    content = WAV * 40  # 20 MB: three parts
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, content))
    recordings.fetch(practice, session_id)
    assert stored(recordings, storage, session_id) == content


def test_the_next_attempt_goes_on_where_one_broke_off(recordings, practice, vapi, storage, call_id):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    vapi.fail("/storage/", Fault(cut_after=200_000), Fault(cut_after=100_000))
    job_id = recordings.order(practice, session_id)
    assert recordings.try_once(job_id).state == "retrying"
    assert recordings.files() == [f"{session_id}.json", f"{session_id}.part"]
    assert recordings.try_once(job_id).state == "retrying"
    assert recordings.try_once(job_id).state == "succeeded"
    assert stored(recordings, storage, session_id) == WAV
    first, second, third = vapi.asked("/storage/")
    assert "range" not in first
    starts = [int(headers["range"][len("bytes=") : -1]) for headers in (second, third)]
    assert 0 < starts[0] <= 200_000 < starts[1] <= 300_000
    assert second["if-range"] == third["if-range"] == vapi.recordings[call_id].etag


def test_a_source_that_changed_meanwhile_is_fetched_anew(
    recordings, practice, vapi, storage, call_id
):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    vapi.fail("/storage/", Fault(cut_after=200_000))
    job_id = recordings.order(practice, session_id)
    assert recordings.try_once(job_id).state == "retrying"
    other = WAV[:20] + bytes(300_000)
    vapi.recordings[call_id].content = other
    assert recordings.try_once(job_id).state == "succeeded"
    assert stored(recordings, storage, session_id) == other


def test_a_source_that_cannot_be_compared_is_fetched_anew(
    recordings, practice, vapi, storage, call_id
):
    url = vapi.add_recording(call_id, WAV, with_etag=False)
    session_id = recordings.waiting(practice, call_id, url)
    vapi.fail("/storage/", Fault(cut_after=200_000))
    job_id = recordings.order(practice, session_id)
    assert recordings.try_once(job_id).state == "retrying"
    assert recordings.try_once(job_id).state == "succeeded"
    assert stored(recordings, storage, session_id) == WAV
    assert ["range" in headers for headers in vapi.asked("/storage/")] == [False, False]


def test_a_part_that_is_not_the_one_asked_for_is_never_put_in(
    recordings, practice, vapi, storage, call_id
):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    wrong = Fault(
        status=206,
        body=bytes(100),
        headers=(("Content-Range", f"bytes 0-99/{len(WAV)}"), ("Content-Type", "audio/wav")),
    )
    vapi.fail("/storage/", Fault(cut_after=200_000), wrong)
    job_id = recordings.order(practice, session_id)
    assert [recordings.try_once(job_id).state for _ in range(3)] == [
        "retrying",
        "retrying",
        "succeeded",
    ]
    assert stored(recordings, storage, session_id) == WAV


def test_a_download_that_was_whole_is_not_repeated(
    recordings, practice, vapi, storage, call_id, monkeypatch
):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))

    class Away:
        def put_file(self, *_: object) -> StoredObject:
            raise OSError("the storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "object_storage", Away)
        job_id = recordings.order(practice, session_id)
        assert recordings.try_once(job_id).state == "retrying"
    assert recordings.try_once(job_id).state == "succeeded"
    assert stored(recordings, storage, session_id) == WAV
    assert len(vapi.asked("/storage/")) == 1


def test_an_expired_address_is_replaced_by_asking_vapi(
    recordings, practice, vapi, storage, call_id
):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    vapi.expire_addresses(call_id)
    recordings.fetch(practice, session_id)
    assert stored(recordings, storage, session_id) == WAV
    (asked,) = vapi.asked("/mono-recording")
    assert asked["authorization"] == f"Bearer {API_KEY}"
    assert len(vapi.asked("/storage/")) == 2


def test_an_address_known_to_have_expired_is_not_asked(
    recordings, practice, vapi, storage, call_id
):
    url = vapi.add_recording(call_id, WAV)
    session_id = recordings.waiting(
        practice, call_id, url, recording_url_expires_at=now() - timedelta(seconds=1)
    )
    recordings.fetch(practice, session_id)
    assert stored(recordings, storage, session_id) == WAV
    assert next(path for path, _ in vapi.requests).endswith("/mono-recording")


def test_the_key_is_not_handed_on_to_another_host(recordings, practice, vapi, storage, call_id):
    session_id = recordings.waiting(practice, call_id, None)
    with VapiServer() as elsewhere:
        url = elsewhere.add_recording(call_id, WAV)
        vapi.fail("mono-recording", Fault(status=302, headers=(("Location", url),)))
        recordings.fetch(practice, session_id)
        assert stored(recordings, storage, session_id) == WAV
        (asked,) = elsewhere.asked("/storage/")
    assert "authorization" not in asked


def test_without_a_key_an_expired_address_is_the_end_and_says_what_would_help(
    recordings, practice, vapi, storage, call_id
):
    recordings.configure(vapi_api_key=None)
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    vapi.expire_addresses(call_id)
    assert recordings.fetch(practice, session_id).state == "succeeded"
    assert "VAPI_API_KEY" in failed(recordings, storage, session_id, "expired")


def test_what_nobody_has_any_more_is_the_end(recordings, practice, vapi, storage, call_id):
    url = f"{vapi.url}/storage/{call_id}.wav"
    session_id = recordings.waiting(practice, call_id, url, ended_at=now() - timedelta(hours=1))
    assert recordings.fetch(practice, session_id).state == "succeeded"
    failed(recordings, storage, session_id, "gone")
    assert len(vapi.asked("(mono|stereo)-recording")) == 2


@pytest.mark.parametrize(
    ("changes", "url", "code"),
    [
        ({}, "http://other.example/r.wav", "host"),
        ({}, "http://127.0.0.1.evil.example/r.wav", "host"),
        ({"recording_allowed_networks": ""}, None, "private_address"),
        (
            {"recording_allowed_networks": "", "notification_allowed_networks": "127.0.0.0/8"},
            None,
            "private_address",
        ),
        ({"recording_allow_http": False}, None, "scheme"),
        ({}, "http://user:secret@127.0.0.1/r.wav", "credentials"),
    ],
)
def test_addresses_that_lead_elsewhere_are_not_asked(
    recordings, practice, vapi, storage, call_id, changes, url, code
):
    recordings.configure(vapi_api_key=None, **changes)
    url = url or vapi.add_recording(call_id, WAV)
    session_id = recordings.waiting(practice, call_id, url)
    assert recordings.fetch(practice, session_id).state == "succeeded"
    failed(recordings, storage, session_id, code)
    assert vapi.requests == []


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/", "http://10.0.0.1/r.wav", "http://[::1]/r.wav"]
)
def test_a_redirect_inside_is_not_followed(recordings, practice, vapi, storage, call_id, target):
    recordings.configure(
        vapi_api_key=None, recording_hosts="127.0.0.1,169.254.169.254,10.0.0.1,::1"
    )
    session_id = recordings.waiting(practice, call_id, f"{vapi.url}/storage/{call_id}.wav")
    vapi.fail("/storage/", Fault(status=302, headers=(("Location", target),)))
    recordings.fetch(practice, session_id)
    failed(recordings, storage, session_id, "private_address")


def test_more_bytes_than_allowed_are_not_stored(recordings, practice, vapi, storage, call_id):
    recordings.configure(recording_max_bytes=len(WAV) - 1)
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    assert recordings.fetch(practice, session_id).state == "succeeded"
    failed(recordings, storage, session_id, "too_large")
    recordings.configure(recording_max_bytes=len(WAV))
    session_id = recordings.waiting(practice, f"{call_id}-2", vapi.sign(call_id))
    recordings.fetch(practice, session_id)
    assert stored(recordings, storage, session_id) == WAV


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (WAV, "text/html"),
        (WAV, "text/\0html"),
        (b"<html>an error page</html>", "audio/wav"),
        (b"", "audio/wav"),
    ],
)
def test_what_is_no_sound_is_not_stored(
    recordings, practice, vapi, storage, call_id, content, content_type
):
    url = vapi.add_recording(call_id, content, content_type=content_type)
    session_id = recordings.waiting(practice, call_id, url)
    assert recordings.fetch(practice, session_id).state == "succeeded"
    failed(recordings, storage, session_id, "not_audio")


def test_a_busy_storage_is_waited_for(recordings, practice, vapi, storage, call_id):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    busy = Fault(status=429, headers=(("Retry-After", "120"),))
    vapi.fail("/storage/", busy, Fault(status=503), Fault(status=500))
    job_id = recordings.order(practice, session_id)
    first = recordings.try_once(job_id)
    assert first.state == "retrying"
    assert (first.run_at - now()).total_seconds() > 100
    assert [recordings.try_once(job_id).state for _ in range(2)] == ["retrying", "retrying"]
    recordings.try_once(job_id)
    assert stored(recordings, storage, session_id) == WAV


def test_one_given_up_says_so_on_the_session(recordings, practice, vapi, storage, call_id):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    vapi.fail("/storage/", *[Fault(status=500)] * 10)
    job_id = recordings.order(practice, session_id)
    states = [recordings.try_once(job_id).state for _ in range(10)]
    assert states == ["retrying"] * 9 + ["dead"]
    session = recordings.session(session_id)
    assert session.recording_state == "failed"
    assert str(job_id) in session.recording_error
    assert session.recording_error.startswith("unreachable: ")


def test_two_attempts_at_once_do_not_write_into_one_file(
    recordings, practice, vapi, storage, call_id
):
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    with jobs.fetcher().partial(session_id):
        job = recordings.fetch(practice, session_id)
    assert job.state == "retrying"
    assert "being fetched already" in job.last_error
    assert recordings.try_once(job.id).state == "succeeded"
    assert stored(recordings, storage, session_id) == WAV


def test_where_recordings_are_off_nothing_is_asked(recordings, practice, vapi, call_id):
    recordings.configure(recordings="off")
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    assert recordings.fetch(practice, session_id).state == "succeeded"
    assert recordings.session(session_id).recording_state == "none"
    assert vapi.requests == []
