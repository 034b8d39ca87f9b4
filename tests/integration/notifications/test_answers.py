"""What a receiver can answer, or fail to, and what follows from that."""

import threading
from datetime import timedelta

import pytest
from office import Office
from tests.support.notification_receiver import Receiver, Reply

from clozone.notifications import sender
from clozone.settings import Settings

HALF_AN_HOUR = timedelta(seconds=1800)


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
