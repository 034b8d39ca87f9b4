"""One message to one endpoint: taken, refused, repeated, given up."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from office import Office
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import control
from clozone.jobs.enqueue import enqueue
from clozone.jobs.notices import tell
from clozone.kit.clock import now
from clozone.kit.errors import Conflict
from clozone.models.notifications import NotificationDelivery
from clozone.notifications import sender
from clozone.notifications.circuit import LONGEST_FAILING
from clozone.notifications.schedule import DELAYS, JITTER, MOST_ATTEMPTS
from clozone.notifications.service import deliveries, sending
from clozone.notifications.signing import new_secret
from clozone.settings import Settings

HALF_AN_HOUR = timedelta(seconds=1800)
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


def test_after_the_last_attempt_it_is_given_up(office: Office, inbox: Receiver) -> None:
    office.endpoint(inbox.url)
    inbox.always(FAILING)

    office.tell_and_run()
    for _ in range(MOST_ATTEMPTS + 2):
        office.later()

    assert len(inbox.received) == MOST_ATTEMPTS
    delivery = office.delivery()
    assert (delivery.state, delivery.failures) == ("failed", MOST_ATTEMPTS)
    assert (delivery.error, delivery.next_attempt_at) == ("answered 500", None)
    assert delivery.finished_at is not None


def test_a_job_that_the_ledger_gives_up_ends_its_delivery(
    office: Office, inbox: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.endpoint(inbox.url)

    def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(sender.Sender, "send", broken)
    office.tell_and_run()
    for _ in range(MOST_ATTEMPTS):
        office.later()

    assert office.job().state == "dead"
    delivery = office.delivery()
    assert (delivery.state, delivery.error) == ("failed", "RuntimeError: a bug")


def test_what_nobody_foresaw_is_a_failed_attempt_like_any_other(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url, secret="whsec_a")

    delivery = office.tell_and_run()

    assert inbox.received == []
    assert office.outcomes() == [("failed", "unforeseen", None)]
    assert (delivery.state, delivery.failures) == ("pending", 1)
    assert delivery.error == "could not be sent, for a reason nobody foresaw (Error)"
    assert delivery.next_attempt_at is not None
    assert office.shown(endpoint_id).failures == 1
    assert (office.job().state, office.job().failures) == ("retrying", 1)


def test_an_operator_cancels_a_delivery_and_takes_it_up_again(
    office: Office, inbox: Receiver
) -> None:
    office.endpoint(inbox.url)
    inbox.then(FAILING)
    office.tell_and_run()
    job_id = UUID(str(office.job().id))

    with unit_of_work(Scope.platform()):
        control.cancel(job_id, "not wanted")
    delivery = office.delivery()
    assert (delivery.state, delivery.error) == ("failed", "not wanted")
    assert (delivery.next_attempt_at, delivery.finished_at is None) == (None, False)

    with unit_of_work(Scope.platform()):
        control.revive(job_id)
    assert (office.delivery().state, office.delivery().finished_at) == ("pending", None)
    office.run()
    assert office.delivery().state == "delivered"
    assert [message.id for message in inbox.received] == [delivery.message_id] * 2


@pytest.mark.parametrize("change", ["disabled", "sent again"])
def test_what_cannot_be_sent_any_more_is_not_taken_up_again(
    office: Office, inbox: Receiver, change: str
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.then(FAILING)
    delivery = office.tell_and_run()
    job_id = UUID(str(office.job().id))
    with unit_of_work(Scope.platform()):
        control.cancel(job_id)
    if change == "disabled":
        office.change(endpoint_id, enabled=False, disabled_reason="requested")
    else:
        with unit_of_work(office.scope):
            deliveries.redeliver(delivery.id)

    with pytest.raises(Conflict, match=change), unit_of_work(Scope.platform()):
        control.revive(job_id)


def test_a_job_cancelled_while_it_sends_leaves_no_attempt_open(
    office: Office, inbox: Receiver
) -> None:
    office.endpoint(inbox.url)
    office.tell()
    office.run_one(office.jobs()[0].id)
    delivery = office.delivery()
    with unit_of_work(office.scope):
        assert isinstance(sending.begin(delivery.id, 1, early=False), sending.Order)

    job_id = UUID(str(office.job().id))
    with unit_of_work(Scope.platform()):
        control.cancel(job_id)

    assert office.outcomes() == [("lost", None, None)]


def test_gone_disables_the_endpoint_and_ends_all_that_is_on_its_way(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.then(FAILING, Reply(410))

    office.tell("session.graded")
    office.run()
    office.tell("session.reviewed")
    office.run()
    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "gone")
    assert endpoint.disabled_at is not None
    assert [delivery.state for delivery in office.deliveries()] == ["failed", "failed"]
    assert {job.state for job in office.jobs()} == {"succeeded"}
    assert len(inbox.received) == 2

    office.tell()
    office.run()
    assert len(inbox.received) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_patience_that_is_asked_for_is_had_with_everything_for_the_endpoint(
    office: Office, inbox: Receiver, status: int
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.then(Reply(status, {"retry-after": "1800"}))

    office.tell_and_run()
    began = office.attempts()[0].started_at
    office.tell("session.reviewed")
    office.run()

    assert len(inbox.received) == 1
    assert office.shown(endpoint_id).open_until - began >= HALF_AN_HOUR
    (release,) = office.jobs("notifications.release")
    failed, held_back = office.jobs("notifications.deliver")
    assert all(job.run_at - began >= HALF_AN_HOUR for job in (release, failed))
    assert [(job.state, job.failures) for job in (failed, held_back)] == [
        ("retrying", 1),
        ("succeeded", 0),
    ]


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "http://169.254.169.254/latest"])
def test_a_redirect_is_a_failure_and_followed_nowhere(
    office: Office, inbox: Receiver, target: str
) -> None:
    office.endpoint(inbox.url)
    inbox.then(Reply(307, {"location": target}))

    delivery = office.tell_and_run()

    assert office.outcomes() == [("failed", "redirect", 307)]
    assert (delivery.state, len(inbox.received)) == ("pending", 1)
    assert "register the new address" in delivery.error


def test_a_receiver_that_is_slow_is_not_waited_for(
    office: Office, inbox: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TIMEOUT_SECONDS", 0.3)
    office.endpoint(inbox.url)
    answering = threading.Event()
    inbox.then(Reply(hold=answering))

    office.tell_and_run()
    answering.set()

    assert office.outcomes() == [("failed", "timeout", None)]
    assert office.delivery().state == "pending"


def test_of_a_huge_answer_the_beginning_is_enough(office: Office, inbox: Receiver) -> None:
    office.endpoint(inbox.url)
    inbox.then(Reply(200, body=b"x" * 20_000_000))

    office.tell_and_run()

    assert office.outcomes() == [("delivered", None, 200)]
    assert office.attempts()[0].response == "x" * sender.KEPT_CHARACTERS


def test_an_address_nobody_listens_at_is_tried_again(office: Office) -> None:
    office.endpoint("http://127.0.0.1:1/")

    office.tell_and_run()

    assert office.outcomes() == [("failed", "connection", None)]
    assert office.job().state == "retrying"


def test_a_name_that_leads_inside_by_now_is_refused_for_good(
    office: Office, inbox: Receiver, settings: Settings
) -> None:
    allowing_nothing = settings.model_copy(update={"notification_allow_http": True})
    sender.init_sender(allowing_nothing)
    office.endpoint(inbox.url.replace("127.0.0.1", "localhost"))

    delivery = office.tell_and_run()

    assert inbox.received == []
    assert office.outcomes() == [("failed", "private_address", None)]
    assert delivery.state == "failed"
    assert "not a public address" in delivery.error


def test_days_of_nothing_but_failures_disable_the_endpoint(office: Office, inbox: Receiver) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.always(FAILING)
    office.tell_and_run()
    office.change(endpoint_id, failing_since=now() - LONGEST_FAILING)

    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "failing")
    assert office.delivery().state == "failed"
    assert office.job().state == "succeeded"


def test_a_failure_after_a_long_silence_is_not_taken_for_days_of_failures(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.always(FAILING)
    office.tell_and_run()
    long_ago = now() - 2 * LONGEST_FAILING
    office.change(endpoint_id, failing_since=long_ago, failed_at=long_ago)

    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.enabled, endpoint.failures) == (True, 1)


def test_what_was_added_while_its_endpoint_was_being_disabled_ends(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    office.tell()
    office.run_one(office.jobs()[0].id)
    office.change(endpoint_id, enabled=False, disabled_reason="requested")

    office.run()

    delivery = office.delivery()
    assert (delivery.state, delivery.error) == ("failed", "the endpoint was disabled")
    assert inbox.received == []


def test_one_success_and_the_days_are_counted_anew(office: Office, inbox: Receiver) -> None:
    endpoint_id = office.endpoint(inbox.url)
    inbox.then(FAILING)
    office.tell_and_run()
    assert office.shown(endpoint_id).failing_since is not None

    office.later()

    endpoint = office.shown(endpoint_id)
    assert (endpoint.failures, endpoint.failing_since, endpoint.open_until) == (0, None, None)


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
