"""When a step fails for good, the inbox and the session say so; and nobody sees another's inbox."""

from uuid import UUID

import pytest
from inbox_probe import CLEAN, Inbox
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, metadata_of

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.errors import Conflict
from clozone.kit.ids import new_id
from clozone.models.operations import WebhookEvent
from clozone.models.training import TrainingSession
from clozone.sessions import lifecycle

TRIES = 3
# What no step of ours would store, so that the step that reads it fails each time.
UNREADABLE = [{"nobody": "said this"}]


def test_a_delivery_that_cannot_be_processed_is_laid_aside_with_the_reason(
    inbox: Inbox, practice: Practice
):
    session_id = practice.session()
    event_id = inbox.take(Call(metadata_of(practice, session_id)).report(*TALK))
    with unit_of_work(Scope.platform()):
        WebhookEvent.update(body=b"{").where(WebhookEvent.id == event_id).execute()
    (job,) = inbox.jobs_of(event_id)
    for _ in range(TRIES - 1):
        assert inbox.try_once(job) == "retrying"
        assert inbox.event(event_id).state == "received"
    assert inbox.try_once(job) == "dead"
    event = inbox.event(event_id)
    assert (event.state, event.session_id, event.org_id) == ("dead", None, None)
    assert event.reason.startswith("BadRequest")
    assert inbox.session(session_id).status == "pending"


@pytest.mark.parametrize(
    ("meanwhile", "ends"),
    [({}, "failed"), ({"status": "completed"}, "completed"), ({"deleted_at": now()}, "processing")],
    ids=["waiting", "graded", "deleted"],
)
def test_a_transcript_that_cannot_be_cleaned(
    inbox: Inbox, practice: Practice, meanwhile: dict, ends: str
):
    session_id = practice.session()
    inbox.receive(Call(metadata_of(practice, session_id)).report(*TALK))
    set_columns(session_id, raw_transcript=UNREADABLE)
    (job,) = inbox.jobs_on(session_id, CLEAN)
    for _ in range(TRIES - 1):
        assert inbox.try_once(job) == "retrying"
        assert inbox.session(session_id).status == "processing"
    # A session that is over or gone has nothing left to fail.
    set_columns(session_id, **meanwhile)
    assert inbox.try_once(job) == ("succeeded" if meanwhile else "dead")
    assert inbox.session(session_id).status == ends


def set_columns(session_id: UUID, **columns: object) -> None:
    if columns:
        with unit_of_work(Scope.platform()):
            TrainingSession.update(**columns).where(TrainingSession.id == session_id).execute()


def test_a_session_deleted_before_its_transcript_is_cleaned(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    inbox.receive(Call(metadata_of(practice, session_id)).report(*TALK))
    practice.change(session_id, deleted_at=now(), raw_transcript=None)
    inbox.clean(session_id)
    session = inbox.session(session_id)
    assert (session.transcript, session.metrics) == (None, None)


def test_an_organisation_sees_its_own_deliveries_only(
    inbox: Inbox, practice: Practice, stranger: Practice
):
    ours = inbox.receive(Call(metadata_of(practice, practice.session())).report(*TALK))
    forged = inbox.receive(Call(metadata_of(stranger, practice.session())).report(*TALK))
    nobodys = inbox.receive(Call({"user_id": str(new_id())}).report(*TALK))
    for organisation, seen in ((practice, {ours.id}), (stranger, set())):
        with unit_of_work(organisation.scope):
            assert {event.id for event in WebhookEvent.select()} == seen
    with unit_of_work(Scope.platform()):
        everything = {event.id for event in WebhookEvent.select(WebhookEvent.id)}
    assert {ours.id, forged.id, nobodys.id} <= everything


def test_a_dead_delivery_that_comes_again_is_taken_up_again(inbox: Inbox, practice: Practice):
    report = Call(metadata_of(practice, practice.session())).report(*TALK)
    event_id = inbox.take(report)
    with unit_of_work(Scope.platform()):
        WebhookEvent.update(state="dead", reason="of something that passed").where(
            WebhookEvent.id == event_id
        ).execute()
    assert inbox.post(report).json() == {"id": str(event_id), "duplicate": True}
    again = inbox.process(event_id)
    assert (again.state, again.reason, again.deliveries) == ("processed", None, 2)


def test_a_failed_session_is_taken_up_again_where_it_failed(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    inbox.receive(Call(metadata_of(practice, session_id)).report(*TALK))
    said = inbox.session(session_id).raw_transcript
    set_columns(session_id, raw_transcript=UNREADABLE)
    (job,) = inbox.jobs_on(session_id, CLEAN)
    for _ in range(TRIES):
        inbox.try_once(job)
    assert inbox.session(session_id).status == "failed"
    set_columns(session_id, raw_transcript=said)
    with unit_of_work(Scope.platform()):
        lifecycle.try_again(session_id)
    _dead, again = inbox.jobs_on(session_id, CLEAN)
    inbox.run([again])
    session = inbox.session(session_id)
    assert (session.status, len(session.transcript)) == ("processing", len(TALK))
    with pytest.raises(Conflict), unit_of_work(Scope.platform()):
        lifecycle.try_again(session_id)
