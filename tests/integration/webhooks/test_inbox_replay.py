"""Processing deliveries again: said beforehand, done once, however often it is asked for."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from inbox_probe import CLEAN, GRADE, Inbox
from tests.support.command import Clozone
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, metadata_of

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.accounts import AuditEntry
from clozone.models.operations import Job, WebhookEvent
from clozone.models.training import TrainingSession
from clozone.webhooks import inbox as inbox_service
from clozone.webhooks.replay import ERASED, Forecast, Outcome, plan, replay
from clozone.webhooks.selection import Selection, page, reasons


def change(event_id: UUID, **columns: Any) -> None:
    with unit_of_work(Scope.platform()):
        WebhookEvent.update(**columns).where(WebhookEvent.id == event_id).execute()


def forecast(event_id: UUID) -> Forecast:
    (found,) = plan(Selection(ids=(event_id,)))
    return found


def everything() -> tuple[list[Any], ...]:
    """Every row that processing a delivery may touch."""
    with unit_of_work(Scope.platform()):
        return tuple(
            list(model.select().order_by(model.id).tuples())
            for model in (WebhookEvent, TrainingSession, Job)
        )


def test_what_would_happen_is_said_and_does_not_happen(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    report = inbox.take(call.report(*TALK))
    begins = inbox.take(Call(metadata_of(practice)).status("in-progress"))
    nobodys = inbox.take(Call().status("in-progress"))
    stranger = inbox.take(Call({"user_id": str(new_id())}).report(*TALK))
    unused = inbox.take(call.message("speech-update"))
    broken = inbox.take(Call(metadata_of(practice)).status("in-progress"))
    change(broken, body=b"{", state="dead", reason="of something")
    before = everything()

    found = forecast(report)
    assert (found.outcome, found.session_id, found.new_session) == (
        Outcome.processed,
        session_id,
        False,
    )
    assert {"status", "raw_transcript", "jobs", "vapi_call_id"} <= set(found.changes)
    assert (forecast(begins).outcome, forecast(begins).new_session) == (Outcome.processed, True)
    for event_id, outcome, reason in (
        (nobodys, Outcome.ignored, "not_a_training_call"),
        (stranger, Outcome.dead, "the metadata names no user of that organisation"),
        (unused, Outcome.ignored, "type_not_used"),
        (broken, Outcome.dead, "BadRequest: The body is not JSON. Was it cut short?"),
    ):
        assert (forecast(event_id).outcome, forecast(event_id).reason) == (outcome, reason)
    assert everything() == before

    inbox.process(report)
    again = forecast(report)
    assert (again.outcome, again.session_id, again.changes) == (Outcome.unchanged, session_id, ())


def test_a_dead_delivery_is_processed_once_its_cause_is_gone(inbox: Inbox, practice: Practice):
    user_id = new_id()
    call = Call({"user_id": str(user_id), "org_id": str(practice.org_id)})
    event_id = inbox.take(call.report(*TALK))
    assert inbox.process(event_id).state == "dead"
    practice.add_rep(user_id)
    done = replay(Selection(states=("dead",), call_id=call.id), None)
    assert (done.again, done.left) == ([event_id], {})
    event = inbox.event(event_id)
    assert (event.state, event.reason, event.processed_at) == ("received", None, None)
    assert inbox.process(event_id).state == "processed"
    (session,) = inbox.sessions(practice.org_id)
    assert (session.user_id, session.status) == (user_id, "processing")
    assert audited(event_id, call) == 1


def audited(event_id: UUID, call: Call) -> int:
    with unit_of_work(Scope.platform()):
        entries = AuditEntry.select().where(
            AuditEntry.action == "inbox.replayed",
            AuditEntry.details.contains({"call_id": call.id, "replayed": 1}),
        )
        return entries.count()


def test_replayed_twice_a_call_has_one_of_everything(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    events = [
        inbox.take(body) for body in (call.status("in-progress"), call.ended(), call.report(*TALK))
    ]
    for event_id in events:
        inbox.process(event_id)
    inbox.clean(session_id)
    practice.grade(session_id, 80)
    facts, rollup = session_facts(inbox, session_id), practice.rollup()

    selection = Selection(call_id=call.id)
    # The second time the first one's jobs wait still: no further are added.
    assert replay(selection, None).again == events
    assert replay(selection, None).again == events
    assert [len(unfinished(inbox, event_id)) for event_id in events] == [1, 1, 1]
    for _ in range(2):
        for event_id in events:
            assert inbox.process(event_id).state == "processed"
        assert session_facts(inbox, session_id) == facts
        assert practice.rollup() == rollup == practice.recount()
        assert len(inbox.jobs_on(session_id, CLEAN)) == 1
        assert len(inbox.jobs_on(session_id, GRADE)) == 1
        replay(selection, None)
    assert [f.outcome for f in plan(selection)] == [Outcome.unchanged] * 3


def session_facts(inbox: Inbox, session_id: UUID) -> dict[str, Any]:
    row = dict(inbox.session(session_id).__data__)
    del row["updated_at"]
    return row


def unfinished(inbox: Inbox, event_id: UUID) -> list[Job]:
    return [job for job in inbox.jobs_of(event_id) if job.state == "queued"]


def test_a_delivery_whose_job_got_lost_gets_another(inbox: Inbox, practice: Practice):
    event_id = inbox.take(Call(metadata_of(practice, practice.session())).report(*TALK))
    with unit_of_work(Scope.platform()):
        Job.update(state="cancelled").where(Job.subject_id == event_id).execute()
    assert inbox.event(event_id).state == "received"
    replay(Selection(ids=(event_id,)), None)
    inbox.run(unfinished(inbox, event_id))
    assert inbox.event(event_id).state == "processed"


def test_two_jobs_of_one_delivery_process_it_once(inbox: Inbox, practice: Practice):
    """As after an upgrade, when the former version's jobs have no key."""
    session_id = practice.session()
    event_id = inbox.take(Call(metadata_of(practice, session_id)).report(*TALK))
    with unit_of_work(Scope.platform()):
        Job.update(dedupe_key=None).where(Job.subject_id == event_id).execute()
        inbox_service.enqueue_processing(event_id)
    assert len(inbox.jobs_of(event_id)) == 2
    inbox.process(event_id)
    assert len(inbox.jobs_on(session_id, CLEAN)) == 1


def test_replayed_and_processed_at_once(inbox: Inbox, practice: Practice):
    """Two replays and the jobs that they add, all at the same time: nobody waits for ever."""
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    bodies = [call.status("in-progress", note=number) for number in range(10)]
    events = [inbox.take(body) for body in [*bodies, call.report(*TALK)]]
    for event_id in events:
        inbox.process(event_id)
    selection = Selection(call_id=call.id)

    def process() -> list[UUID]:
        for event_id in events:
            for job in unfinished(inbox, event_id):
                inbox.try_once(job)
        return events

    with ThreadPoolExecutor(3) as threads:
        for _ in range(3):
            work = [threads.submit(replay, selection, None) for _ in range(2)]
            work.append(threads.submit(process))
            assert [each.result() for each in work][2] == events
            assert [each.result().again for each in work[:2]] == [events] * 2
    process()
    assert {inbox.event(event_id).state for event_id in events} == {"processed"}
    assert len(inbox.jobs_on(session_id, CLEAN)) == 1


def test_a_replay_does_not_wait_for_a_job_at_work(inbox: Inbox, practice: Practice):
    """Nor the job for it: also where the replay holds the delivery's row."""
    event_id = inbox.take(Call(metadata_of(practice, practice.session())).status("in-progress"))
    (job,) = inbox.jobs_of(event_id)
    ending, go_on = threading.Event(), threading.Event()

    def end() -> None:
        with unit_of_work(Scope.platform()):
            Job.update(state="succeeded").where(Job.id == job.id).execute()
            ending.set()
            assert go_on.wait(20)

    with ThreadPoolExecutor(1) as threads:
        at_work = threads.submit(end)
        assert ending.wait(20)
        try:
            assert replay(Selection(ids=(event_id,)), None).again == [event_id]
        finally:
            go_on.set()
        at_work.result()
    assert len(inbox.jobs_of(event_id)) == 1


def test_the_row_of_what_waits_already_is_its_job_s_to_lock(inbox: Inbox, practice: Practice):
    call = Call(metadata_of(practice, practice.session()))
    waiting = inbox.take(call.status("in-progress"))
    settled = inbox.take(call.ended())
    inbox.process(settled)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with unit_of_work(Scope.platform()):
            assert inbox_service.claim(waiting)
            held.set()
            assert go_on.wait(20)

    with ThreadPoolExecutor(1) as threads:
        at_work = threads.submit(hold)
        assert held.wait(20)
        try:
            assert replay(Selection(call_id=call.id), None).again == [waiting, settled]
        finally:
            go_on.set()
        at_work.result()
    assert inbox.event(settled).state == "received"


def test_what_was_erased_is_left_alone(inbox: Inbox, practice: Practice):
    session_id = practice.session()
    call = Call(metadata_of(practice, session_id))
    practice.change(session_id, deleted_at=now())
    event_id = inbox.take(call.report(*TALK))
    assert inbox.process(event_id).reason == "session_deleted"
    assert forecast(event_id).reason == ERASED
    unused = inbox.take(call.message("speech-update"))
    done = replay(Selection(call_id=call.id), None)
    assert (done.again, done.left) == ([], {event_id: ERASED, unused: "type_not_used"})
    event = inbox.event(event_id)
    assert (event.state, event.reason) == ("ignored", "session_deleted")


def test_the_filters(inbox: Inbox, practice: Practice, stranger: Practice):
    began = now()
    ours = Call(metadata_of(practice, practice.session()))
    first, second = inbox.take(ours.status("queued")), inbox.take(ours.report(*TALK))
    theirs = inbox.take(Call(metadata_of(stranger, stranger.session())).report(*TALK))
    for event_id in (first, second, theirs):
        inbox.process(event_id)
    dead = inbox.take(Call({"user_id": str(new_id())}).report(*TALK))
    inbox.process(dead)

    def found(**filters: Any) -> list[UUID]:
        with unit_of_work(Scope.platform()):
            return [event.id for event in page(Selection(**{"since": began, **filters}), 100)]

    later = inbox.event(second).received_at
    assert found() == [first, second, theirs, dead]
    assert found(ids=(second, dead)) == [second, dead]
    assert found(since=later) == [second, theirs, dead]
    assert found(until=later) == [first]
    assert found(states=("dead", "ignored")) == [dead]
    assert found(types=("status-update",)) == [first]
    assert found(call_id=ours.id) == [first, second]
    assert found(org_id=stranger.org_id) == [theirs]
    assert found(reason="NO USER of") == [dead]
    assert found(reason="no%user") == []
    with unit_of_work(Scope.platform()):
        (group,) = reasons(Selection(since=began, states=("dead",)))
    assert (group.reason, group.count) == ("the metadata names no user of that organisation", 1)


def test_a_limit_and_several_batches(inbox: Inbox, practice: Practice, monkeypatch):
    monkeypatch.setattr("clozone.webhooks.replay.BATCH", 2)
    call = Call(metadata_of(practice, practice.session()))
    events = [inbox.take(call.status("in-progress", note=number)) for number in range(5)]
    selection = Selection(call_id=call.id)
    assert [f.event.id for f in plan(selection)] == events
    assert replay(selection, None).again == events
    assert replay(Selection(call_id=call.id, limit=3), None).again == events[:3]


def test_the_command(inbox: Inbox, practice: Practice, clozone: Clozone):
    call = Call({"user_id": str(new_id())})
    event_id = inbox.take(call.report(*TALK))
    inbox.process(event_id)
    reason = "the metadata names no user of that organisation"

    listed = clozone("inbox", "list", "--state", "dead", "--call", call.id, "--since", "1h").stdout
    assert f"1 × {reason}" in listed
    assert str(event_id) in listed
    as_json = json.loads(clozone("inbox", "list", "--call", call.id, "--json").stdout)
    assert [event["id"] for event in as_json["events"]] == [str(event_id)]
    again = inbox.take(call.report(*TALK, summary="Another."))
    one = clozone("inbox", "list", "--call", call.id, "--limit", 1).stdout
    assert (str(again) in one, str(event_id) in one, "see --limit" in one) == (True, False, True)

    shown = clozone("inbox", "show", event_id).stdout
    assert reason in shown
    assert TALK[0][1] not in shown
    shown = json.loads(clozone("inbox", "show", event_id, "--body", "--json").stdout)
    assert TALK[0][1] in shown["body"]
    assert [job["state"] for job in shown["jobs"]] == ["succeeded"]

    told = clozone("inbox", "replay", "--id", event_id, "--dry-run", expect=1).stdout
    assert f"would die: {reason}" in told
    assert "1 would die" in told
    assert inbox.event(event_id).state == "dead"
    told = clozone("inbox", "replay", "--call", call.id, "--limit", 1, "--json").stdout
    assert json.loads(told) == {"again": [str(event_id)], "left": {}}
    assert inbox.event(event_id).state == "received"
    assert "0 are being processed again" in clozone("inbox", "replay", "--call", "none").stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["replay"], 2, "at least one of the filters"),
        (["replay", "--limit", "5"], 2, "at least one of the filters"),
        (["replay", "--since", "yesterday"], 2, "write 2026-11-24T10:00, or 2h"),
        (["list", "--since", "999999d"], 2, "write 2026-11-24T10:00, or 2h"),
        (["replay", "--state", "lost"], 2, "'received', 'processed', 'ignored', 'dead'"),
        (["replay", "--id", str(UUID(int=7))], 1, "There is no delivery"),
        (["show", str(UUID(int=7))], 1, "There is no delivery"),
    ],
)
def test_what_the_command_refuses(clozone: Clozone, words: list[str], code: int, says: str):
    assert says in clozone("inbox", *words, expect=code).stderr
