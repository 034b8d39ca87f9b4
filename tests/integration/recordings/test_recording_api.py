"""GET /api/sessions/{id}/recording."""

import urllib3
from recording_probe import WAV

from clozone.infra.postgres import unit_of_work
from clozone.kit.ids import new_id
from clozone.sessions.erasure import delete_session
from clozone.web.identity import Actor, Role


def path(session_id) -> str:
    return f"/api/sessions/{session_id}/recording"


def test_a_stored_recording_is_downloaded_by_its_link(
    recordings, practice, vapi, storage, rep, manager
):
    call_id = f"call-{new_id()}"
    session_id = recordings.waiting(practice, call_id, vapi.add_recording(call_id, WAV))
    recordings.fetch(practice, session_id)
    for client in (rep, manager):
        answer = client.get(path(session_id))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["session_id"], told["content_type"]) == (str(session_id), "audio/wav")
        assert told["size_bytes"] == len(WAV)
    file = urllib3.request("GET", _direct(told["url"], storage, recordings, session_id))
    assert (file.status, file.data) == (200, WAV)
    assert file.headers["content-type"] == "audio/wav"
    assert file.headers["content-disposition"].startswith('attachment; filename="call-')
    assert manager.get(f"/api/sessions/{session_id}").json()["call"]["has_recording"] is True


def _direct(url, storage, recordings, session_id) -> str:
    """The link as made for the storage itself: in the tests no nginx stands before it."""
    assert "X-Amz-Signature" in url
    key = recordings.session(session_id).recording_key
    assert key in url
    return recordings.direct_link(key, "call-x.wav", "audio/wav")


def test_without_one_the_answer_says_why(recordings, practice, rep):
    none = practice.session()
    waiting = recordings.waiting(practice, f"call-{new_id()}", None)
    failed = recordings.waiting(
        practice,
        f"call-{new_id()}",
        None,
        recording_state="failed",
        recording_error="too_large: it has 7 bytes, of 6 allowed",
    )
    for session_id, state, words in (
        (none, "none", "has no recording"),
        (waiting, "waiting", "Ask again"),
        (failed, "failed", "could not be fetched: it has 7 bytes, of 6 allowed."),
    ):
        answer = rep.get(path(session_id))
        assert answer.status_code == 404
        problem = answer.json()
        assert (problem["code"], problem["state"]) == ("no_recording", state)
        assert words in problem["detail"]


def test_others_and_the_deleted_are_not_there(recordings, practice, client_of, manager):
    session_id = recordings.waiting(
        practice, f"call-{new_id()}", None, recording_state="stored", recording_key="key"
    )
    other = client_of(practice, practice.other_rep)
    assert other.get(path(session_id)).json()["code"] == "not_found"
    with unit_of_work(practice.scope):
        delete_session(Actor(practice.manager, practice.org_id, Role.manager), session_id)
    assert manager.get(path(session_id)).json()["code"] == "not_found"
