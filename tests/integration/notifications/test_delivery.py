"""Messages to endpoints: who gets them, signed by what, and sent again until they are taken."""

from datetime import timedelta

import pytest
from office import Office
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.jobs.notices import tell
from clozone.kit.clock import now
from clozone.models.notifications import NotificationDelivery
from clozone.notifications import sender
from clozone.notifications.schedule import DELAYS, JITTER
from clozone.notifications.service import sending
from clozone.notifications.signing import new_secret

FAILING = Reply(500, body=b"no \x00 way")


def test_a_message_arrives_signed_and_is_on_record(office: Office, inbox: Receiver) -> None:
    secret = new_secret()
    office.endpoint(f"{inbox.url}/hook?token=1", secret=secret)

    delivery = office.tell_and_run(session_id="1", score=71, url="/api/sessions/1")

    (message,) = inbox.received
    assert (message.path, message.id) == ("/hook?token=1", delivery.message_id)
    assert message.headers["content-type"] == "application/json"
    assert message.headers["user-agent"] == sender.USER_AGENT
    assert message.is_signed_with(secret)
    assert message.body.decode() == delivery.body
    assert message.json["type"] == "session.graded"
    assert message.json["data"] == {
        "session_id": "1",
        "score": 71,
        "url": f"{office.settings.public_url}/api/sessions/1",
    }
    assert (delivery.state, delivery.failures, delivery.error) == ("delivered", 0, None)
    assert (delivery.next_attempt_at, delivery.finished_at is None) == (None, False)
    (attempt,) = office.attempts()
    began, ended = attempt.started_at.timestamp(), attempt.finished_at.timestamp()
    assert int(began) <= int(message.headers["webhook-timestamp"]) <= ended
    assert (attempt.outcome, attempt.http_status, attempt.response) == (
        "delivered",
        200,
        "thank you",
    )
    assert office.job().state == "succeeded"


def test_each_endpoint_gets_what_it_subscribed_to_under_one_id(
    office: Office, other_office: Office, inbox: Receiver
) -> None:
    for path, values in {
        "both": {},
        "graded": {"events": ["session.graded"]},
        "exports": {"events": ["export.ready", "budget.reached"]},
        "off": {"enabled": False, "disabled_reason": "requested"},
    }.items():
        office.endpoint(f"{inbox.url}/{path}", **values)
    other_office.endpoint(f"{inbox.url}/other")

    office.tell("session.graded")
    office.run()
    other_office.run()

    assert sorted(message.path for message in inbox.received) == ["/both", "/graded"]
    assert len({message.id for message in inbox.received}) == 1
    assert [len(office.deliveries()), len(other_office.deliveries())] == [2, 0]


def test_without_endpoints_nothing_is_left_behind(office: Office) -> None:
    office.tell()
    office.run()

    assert office.deliveries() == []
    assert [job.state for job in office.jobs()] == ["succeeded"]


def test_a_fan_out_that_runs_twice_makes_one_delivery(office: Office, inbox: Receiver) -> None:
    endpoint_id = office.endpoint(inbox.url)
    delivery = office.tell_and_run()

    with pytest.raises(Exception, match="unique"), unit_of_work(office.scope):
        NotificationDelivery.create(
            org_id=office.team.org_id,
            endpoint_id=endpoint_id,
            message_id=delivery.message_id,
            type="session.graded",
            body="{}",
        )


def test_what_fails_is_sent_again_on_schedule_under_the_same_id(
    office: Office, inbox: Receiver
) -> None:
    office.endpoint(inbox.url)
    inbox.then(FAILING, Reply(404))

    delivery = office.tell_and_run()
    first = office.job()
    office.later()

    assert (delivery.state, delivery.failures, delivery.error) == ("pending", 1, "answered 500")
    assert (first.state, first.failures) == ("retrying", 1)
    attempt = office.attempts()[0]
    assert (attempt.error, attempt.http_status, attempt.response) == (
        "http_status",
        500,
        "no   way",
    )
    wait = (office.delivery().next_attempt_at - office.attempts()[1].finished_at).total_seconds()
    assert DELAYS[1] * (1 - JITTER) <= wait <= DELAYS[1] * (1 + JITTER)
    assert office.job().run_at >= office.delivery().next_attempt_at

    office.later()

    assert len(inbox.received) == 3
    assert {message.id for message in inbox.received} == {delivery.message_id}
    assert {message.body.decode() for message in inbox.received} == {delivery.body}
    assert office.delivery().state == "delivered"
    assert office.outcomes() == [
        ("failed", "http_status", 500),
        ("failed", "http_status", 404),
        ("delivered", None, 200),
    ]


def test_a_worker_that_dies_before_the_ledger_knows_of_a_failure_does_not_hasten_the_next_attempt(
    office: Office, inbox: Receiver
) -> None:
    office.endpoint(inbox.url)
    inbox.then(FAILING)
    office.tell()
    office.run_one(office.jobs()[0].id)
    delivery_id = office.delivery().id
    with unit_of_work(office.scope):
        order = sending.begin(delivery_id, 1, early=False)
    assert isinstance(order, sending.Order)
    outcome = sender.sender().send(order.message)
    with unit_of_work(office.scope):
        sending.note_failure(order, outcome)

    office.run()

    assert len(inbox.received) == 1
    job, due = office.job(), office.delivery().next_attempt_at
    assert (job.state, job.failures) == ("retrying", 0)
    assert job.run_at >= due
    office.later()
    assert office.delivery().state == "delivered"


def test_both_secrets_sign_until_the_time_of_the_former_is_over(
    office: Office, inbox: Receiver
) -> None:
    new, old = new_secret(), new_secret()
    endpoint_id = office.endpoint(
        inbox.url,
        secret=new,
        previous_secret=old,
        previous_secret_expires_at=now() + timedelta(hours=1),
    )
    office.tell_and_run()
    office.change(endpoint_id, previous_secret_expires_at=now())
    office.tell()
    office.run()

    signed = [
        (message.is_signed_with(new), message.is_signed_with(old)) for message in inbox.received
    ]
    assert signed == [(True, True), (True, False)]


def test_a_budget_of_the_installation_concerns_every_organisation(
    office: Office, other_office: Office, inbox: Receiver
) -> None:
    office.endpoint(f"{inbox.url}/one")
    other_office.endpoint(f"{inbox.url}/two")
    with unit_of_work(Scope.platform()):
        job_id = tell("budget.reached", {})

    office.run_one(job_id)
    office.run()
    other_office.run()

    assert sorted(message.path for message in inbox.received) == ["/one", "/two"]
    assert [office.delivery().org_id, other_office.delivery().org_id] == [
        office.team.org_id,
        other_office.team.org_id,
    ]


def test_the_log_is_pruned_but_for_what_is_recent_or_on_its_way(
    office: Office, inbox: Receiver
) -> None:
    office.endpoint(inbox.url)
    inbox.then(FAILING)
    for _ in range(3):
        office.tell()
        office.run()
    waiting, old, recent = office.deliveries()
    with unit_of_work(office.scope):
        NotificationDelivery.update(finished_at=now() - timedelta(days=31)).where(
            NotificationDelivery.id == old.id
        ).execute()
        NotificationDelivery.update(created_at=now() - timedelta(days=31)).where(
            NotificationDelivery.id == waiting.id
        ).execute()
    with unit_of_work(Scope.platform()):
        job_id = enqueue("notifications.prune", {})

    office.run_one(job_id)

    assert {one.id for one in office.deliveries()} == {waiting.id, recent.id}
    assert {one.delivery_id for one in office.attempts()} == {waiting.id, recent.id}
