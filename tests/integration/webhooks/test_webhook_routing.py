"""To which session a delivery goes, and that claims of others lead nowhere."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from inbox_probe import CLEAN, Inbox
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, metadata_of

from clozone.infra.postgres import unit_of_work
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.training import Template, TrainingSession

NOBODY_THERE = "the metadata names no user of that organisation"
NOT_THEIRS = "the metadata's organisation or user is not the session's"


def facts(session: TrainingSession) -> dict:
    return dict(session.__data__)


def test_the_session_that_the_metadata_names(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    event = inbox.receive(call.status("in-progress"))
    assert (event.state, event.reason) == ("processed", None)
    assert (event.session_id, event.org_id) == (session_id, practice.org_id)
    session = inbox.session(session_id)
    assert (session.status, session.vapi_call_id) == ("in_progress", call.id)


def test_a_message_without_metadata_goes_to_the_session_of_its_call(
    inbox: Inbox, practice: Practice
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    inbox.receive(call.status("in-progress"))
    event = inbox.receive(Call(id=call.id).report(*TALK))
    assert (event.state, event.session_id) == ("processed", session_id)
    assert inbox.session(session_id).status == "processing"


def test_a_call_that_nobody_announced_gets_a_session(inbox: Inbox, practice: Practice):
    assignment_id = practice.assignment(practice.rep)
    call = Call(metadata_of(practice, assignment_id=assignment_id))
    event = inbox.receive(call.report(*TALK))
    (session,) = inbox.sessions(practice.org_id)
    assert (event.state, event.session_id) == ("processed", session.id)
    assert (session.user_id, session.template_id) == (practice.rep, practice.templates[0])
    assert (session.rubric_id, session.assignment_id) == (practice.rubrics[0], assignment_id)
    assert (session.vapi_call_id, session.status) == (call.id, "processing")


def test_the_template_is_known_by_its_assistant(inbox: Inbox, practice: Practice):
    assistant_id = f"assistant-{practice.org_id}"
    with unit_of_work(practice.scope):
        Template.update(vapi_assistant_id=assistant_id).where(
            Template.id == practice.templates[1]
        ).execute()
    metadata = metadata_of(practice, template_id=None)
    inbox.receive(Call(metadata, assistant_id=assistant_id).status("in-progress"))
    (session,) = inbox.sessions(practice.org_id)
    assert (session.template_id, session.rubric_id) == (practice.templates[1], practice.rubrics[1])


@pytest.mark.parametrize("foreign", ["template_id", "assignment_id"])
def test_what_belongs_to_others_is_not_attached(
    inbox: Inbox, practice: Practice, stranger: Practice, foreign: str
):
    ids = {
        "template_id": stranger.templates[0],
        "assignment_id": stranger.assignment(stranger.rep),
    }
    inbox.receive(Call(metadata_of(practice, **{foreign: ids[foreign]})).status("in-progress"))
    (session,) = inbox.sessions(practice.org_id)
    assert getattr(session, foreign) is None
    assert inbox.sessions(stranger.org_id) == []


@pytest.mark.parametrize("metadata", [None, {}, {"customer": "17"}, {"session_id": "ts_1"}])
def test_what_is_no_training_call_is_ignored(inbox: Inbox, metadata: dict | None):
    event = inbox.receive(Call(metadata).report(*TALK))
    assert (event.state, event.reason) == ("ignored", "not_a_training_call")
    assert (event.session_id, event.org_id) == (None, None)


def test_an_unknown_tenant(inbox: Inbox):
    metadata = {"org_id": str(new_id()), "user_id": str(new_id())}
    event = inbox.receive(Call(metadata).report(*TALK))
    assert (event.state, event.reason) == ("dead", NOBODY_THERE)
    assert (event.session_id, event.org_id) == (None, None)


def test_an_organisation_without_a_user(inbox: Inbox, practice: Practice):
    event = inbox.receive(Call({"org_id": str(practice.org_id)}).report(*TALK))
    assert (event.state, event.reason) == ("dead", NOBODY_THERE)
    assert inbox.sessions(practice.org_id) == []


def test_a_session_that_is_not_there(inbox: Inbox):
    event = inbox.receive(Call({"session_id": str(new_id())}).report(*TALK))
    assert (event.state, event.reason) == ("dead", "the metadata names no session of ours")


def test_neither_a_call_id_nor_a_session(inbox: Inbox, practice: Practice):
    event = inbox.receive(Call(metadata_of(practice), id=None).report(*TALK))
    assert (event.state, event.reason) == ("dead", "no call id and no session to attach to")
    assert inbox.sessions(practice.org_id) == []


@pytest.mark.parametrize(
    "claim",
    [
        lambda us, them: {"org_id": them.org_id, "user_id": them.rep},
        lambda us, them: {"org_id": us.org_id, "user_id": them.rep},
        lambda us, them: {"org_id": them.org_id, "user_id": us.rep},
        lambda us, them: {"org_id": them.org_id, "user_id": None},
        lambda us, them: {"org_id": None, "user_id": them.rep},
        lambda us, them: {"org_id": us.org_id, "user_id": us.other_rep},
        lambda us, them: {"org_id": new_id(), "user_id": new_id()},
    ],
)
@pytest.mark.parametrize("known_call", [False, True])
def test_claims_that_contradict_the_session_touch_nothing(
    inbox: Inbox, practice: Practice, stranger: Practice, claim, known_call: bool
):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    if known_call:
        inbox.receive(call.status("in-progress"))
    before = facts(inbox.session(session_id))
    claims = {"template_id": None, **claim(practice, stranger)}
    # By the session that they name, and by the call that they are about.
    for named in (session_id, None)[: 2 if known_call else 1]:
        forged = Call(metadata_of(practice, named, **claims), id=call.id)
        event = inbox.receive(forged.report(*TALK))
        assert (event.state, event.reason) == ("dead", NOT_THEIRS)
        assert (event.session_id, event.org_id) == (None, None)
    assert [facts(s) for s in inbox.sessions(practice.org_id)] == [before]
    assert inbox.sessions(stranger.org_id) == []
    assert inbox.jobs_on(session_id, CLEAN) == []


def test_the_answer_tells_nothing_about_what_was_claimed(
    inbox: Inbox, practice: Practice, stranger: Practice
):
    ours = metadata_of(practice, practice.session())
    theirs = metadata_of(practice, stranger.session())
    answers = [inbox.post(Call(metadata).report(*TALK)) for metadata in (ours, theirs)]
    for answer in answers:
        assert answer.status_code == 200
        assert set(answer.json()) == {"id", "duplicate"}
        assert answer.json()["duplicate"] is False


def test_a_call_id_may_be_missing(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id), id=None)
    for body in (call.status("in-progress"), call.report(*TALK)):
        event = inbox.receive(body)
        assert (event.call_id, event.state, event.session_id) == (None, "processed", session_id)
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert (session.vapi_call_id, len(session.transcript)) == (None, len(TALK))


def test_a_second_call_under_the_same_metadata_gets_a_session_of_its_own(
    inbox: Inbox, practice: Practice
):
    session_id = practice.session()
    first, second = (Call(metadata_of(practice, session_id)) for _ in range(2))
    inbox.receive(first.report(*TALK))
    before = facts(inbox.session(session_id))
    event = inbox.receive(second.report())
    assert event.session_id != session_id
    assert facts(inbox.session(session_id)) == before
    other = inbox.session(event.session_id)
    assert (other.vapi_call_id, other.raw_transcript) == (second.id, [])
    for field in ("org_id", "user_id", "template_id", "rubric_id"):
        assert getattr(other, field) == getattr(inbox.session(session_id), field)


def test_a_call_stays_with_its_session_when_a_later_message_names_another(
    inbox: Inbox, practice: Practice
):
    call = Call(metadata_of(practice))
    made = inbox.receive(call.status("in-progress")).session_id
    named = practice.session()
    event = inbox.receive(Call(metadata_of(practice, named), id=call.id).report(*TALK))
    assert (event.state, event.session_id) == ("processed", made)
    assert inbox.session(named).vapi_call_id is None


def deleted(practice: Practice, **fields: object) -> UUID:
    session_id = practice.session(**fields)
    practice.change(session_id, deleted_at=now())
    return session_id


@pytest.mark.parametrize("by", ["session", "call", "both"])
def test_a_deleted_session_stays_deleted_and_what_was_said_is_not_kept(
    inbox: Inbox, practice: Practice, by: str
):
    call = Call(id=f"call-{new_id()}")
    session_id = deleted(practice, vapi_call_id=call.id)
    before = facts(inbox.session(session_id))
    metadata = metadata_of(practice, session_id) if by != "call" else None
    late = Call(metadata, id=call.id if by != "session" else None)
    for body in (late.status("in-progress"), late.report(*TALK)):
        event = inbox.receive(body)
        assert (event.state, event.reason) == ("ignored", "session_deleted")
        assert (event.session_id, event.org_id) == (session_id, practice.org_id)
        assert (bytes(event.body), event.headers) == (b"", {})
        # Said once more, it is known and still not kept.
        again = inbox.post(body)
        assert again.json() == {"id": str(event.id), "duplicate": True}
        assert bytes(inbox.event(event.id).body) == b""
    assert [facts(s) for s in inbox.sessions(practice.org_id)] == [before]
    assert inbox.jobs_on(session_id, CLEAN) == []


def test_two_deliveries_of_one_new_call_at_once_make_one_session(inbox: Inbox, practice: Practice):
    for _ in range(8):
        call = Call(metadata_of(practice))
        events = [inbox.take(body) for body in (call.status("in-progress"), call.report(*TALK))]
        with ThreadPoolExecutor(2) as threads:
            placed = {event.session_id for event in threads.map(inbox.process, events)}
        assert len(placed) == 1
        assert inbox.session(placed.pop()).status == "processing"


def test_two_calls_at_once_under_one_session_do_not_mix(inbox: Inbox, practice: Practice):
    for _ in range(8):
        session_id = practice.session()
        calls = [Call(metadata_of(practice, session_id)) for _ in range(2)]
        events = [inbox.take(call.report(*TALK)) for call in calls]
        with ThreadPoolExecutor(2) as threads:
            placed = [event.session_id for event in threads.map(inbox.process, events)]
        assert session_id in placed
        assert len(set(placed)) == 2
        assert [inbox.session(s).vapi_call_id for s in placed] == [call.id for call in calls]
