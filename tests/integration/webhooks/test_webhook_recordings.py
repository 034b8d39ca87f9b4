"""A report that tells of a recording leaves the job that fetches it, in the same transaction."""

from datetime import timedelta

from inbox_probe import Inbox
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, iso, metadata_of

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.models.operations import Job


def orders(practice: Practice) -> list[Job]:
    with unit_of_work(Scope.platform()):
        return list(
            Job.select()
            .where(Job.kind == "recordings.fetch", Job.org_id == practice.org_id)
            .order_by(Job.run_at)
        )


def reported(inbox: Inbox, practice: Practice, **artifact: object):
    session_id = practice.session()
    report = Call(metadata_of(practice, session_id)).report(*TALK)
    report["message"]["artifact"].update(artifact)
    inbox.receive(report)
    return session_id, report


def test_a_report_with_a_recording_orders_it_once(inbox: Inbox, practice: Practice):
    session_id, report = reported(inbox, practice)
    report["message"]["summary"] = "Told again, in other words."
    inbox.receive(report)
    (order,) = orders(practice)
    assert order.payload == {"session_id": str(session_id)}
    assert order.queue == "bulk"
    assert inbox.session(session_id).recording_state == "waiting"


def test_a_report_without_one_orders_nothing(inbox: Inbox, practice: Practice):
    session_id, _ = reported(inbox, practice, recordingUrl=None)
    assert orders(practice) == []
    assert inbox.session(session_id).recording_state == "none"


def test_a_status_update_orders_nothing(inbox: Inbox, practice: Practice):
    call = Call(metadata_of(practice, practice.session()))
    inbox.receive(
        call.status("in-progress", artifact={"recordingUrl": "https://storage.example/r"})
    )
    assert orders(practice) == []


def test_what_expires_first_is_due_first(inbox: Inbox, practice: Practice):
    moment = now()
    minutes = (30, 5, 50)
    expected = {}
    for left in minutes:
        session_id, _ = reported(
            inbox,
            practice,
            presignedMonoUrl=f"https://storage.example/{left}.wav?sig=1",
            presignedUrlsExpiresAt=iso(moment + timedelta(minutes=left)),
        )
        expected[left] = str(session_id)
    assert [order.payload["session_id"] for order in orders(practice)] == [
        expected[left] for left in sorted(minutes)
    ]
    assert all(order.run_at <= now() for order in orders(practice))
