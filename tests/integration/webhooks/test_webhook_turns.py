"""Whose turn a delivery is processed in: a hint from its metadata, which nothing else relies on."""

from uuid import UUID

import pytest
from inbox_probe import Inbox
from tests.support.practice import Practice
from tests.support.vapi import Call, Json, metadata_of

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.models.operations import Job
from clozone.webhooks.replay import replay
from clozone.webhooks.selection import Selection

NOBODY = UUID(int=0)


def turn_of(inbox: Inbox, event_id: UUID) -> UUID:
    """In whose turn the latest job of a delivery is taken."""
    jobs = inbox.jobs_of(event_id)
    assert {job.org_id for job in jobs} == {None}
    return UUID(str(max(jobs, key=lambda job: job.id).turn_of))


@pytest.mark.parametrize("named", ["org_id", "session_id", "user_id"])
def test_one_claim_is_enough(inbox: Inbox, practice: Practice, named: str):
    claims = metadata_of(practice, practice.session())
    event_id = inbox.take(Call({named: claims[named]}).status("in-progress"))
    assert turn_of(inbox, event_id) == practice.org_id


def test_what_names_nobody_has_the_platform_s_turn(inbox: Inbox):
    strangers: list[Json | None] = [
        None,
        {"org_id": "no id at all"},
        {"org_id": str(new_id()), "session_id": str(new_id()), "user_id": str(new_id())},
    ]
    for metadata in strangers:
        assert turn_of(inbox, inbox.take(Call(metadata).status("in-progress"))) == NOBODY


def test_a_lie_gets_another_turn_and_nothing_else(
    inbox: Inbox, practice: Practice, stranger: Practice
):
    session_id = practice.session()
    lie = metadata_of(practice, session_id) | {"org_id": str(stranger.org_id)}
    event_id = inbox.take(Call(lie).status("in-progress"))
    assert turn_of(inbox, event_id) == stranger.org_id
    event = inbox.process(event_id)
    assert (event.state, event.org_id) == ("dead", None)
    assert inbox.session(session_id).status == "pending"


def test_a_replay_keeps_the_turn(inbox: Inbox, practice: Practice):
    known = inbox.take(Call(metadata_of(practice, practice.session())).status("in-progress"))
    unplaced = inbox.take(Call({"org_id": str(practice.org_id)}).status("in-progress"))
    for event_id in (known, unplaced):
        inbox.process(event_id)
    with unit_of_work(Scope.platform()):
        # The ledger has forgotten the first one's job; the delivery knows its organisation.
        Job.delete().where(Job.subject_id == known).execute()
    replay(Selection(ids=(known, unplaced)), None)
    assert [turn_of(inbox, each) for each in (known, unplaced)] == [practice.org_id] * 2
