"""A receiver that asks for patience has it, whatever else comes of other messages."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from office import Office, eventually
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import unit_of_work
from clozone.kit.clock import now
from clozone.notifications.sender import Outcome
from clozone.notifications.service import sending
from clozone.notifications.service.endpoints import send_test

FAILING = Reply(500)
PATIENCE = Reply(429, {"retry-after": "1800"})


@pytest.fixture
def asked_to_wait(office: Office, inbox: Receiver) -> UUID:
    """The endpoint, half an hour of whose patience was asked for."""
    endpoint_id = office.endpoint(inbox.url)
    inbox.then(PATIENCE)
    office.tell_and_run()
    return endpoint_id


def test_the_success_of_what_was_sent_before_does_not_end_a_pause_that_was_asked_for(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url)
    answering = threading.Event()
    inbox.then(Reply(hold=answering), PATIENCE)
    office.tell()
    earlier = threading.Thread(target=office.run)
    earlier.start()
    eventually(lambda: inbox.received)
    office.tell("session.reviewed")
    Office(office.settings, office.team).run()
    open_until = office.shown(endpoint_id).open_until

    answering.set()
    earlier.join(30)

    assert sorted(one.state for one in office.deliveries()) == ["delivered", "pending"]
    assert office.shown(endpoint_id).open_until == open_until


@pytest.mark.parametrize("reply", [FAILING, Reply(429, {"retry-after": "60"})])
def test_the_failure_of_what_somebody_asked_for_does_not_shorten_the_pause(
    office: Office, inbox: Receiver, asked_to_wait: UUID, reply: Reply
) -> None:
    before = office.shown(asked_to_wait)
    inbox.then(reply)

    with unit_of_work(office.scope):
        send_test(asked_to_wait, "http://here")
    office.run()

    after = office.shown(asked_to_wait)
    assert len(inbox.received) == 2
    assert (after.open_until, after.failures) == (before.open_until, before.failures)


def test_what_somebody_asked_for_lengthens_the_pause_if_that_is_asked_for(
    office: Office, inbox: Receiver, asked_to_wait: UUID
) -> None:
    before = office.shown(asked_to_wait).open_until
    inbox.then(Reply(429, {"retry-after": "3600"}))

    with unit_of_work(office.scope):
        send_test(asked_to_wait, "http://here")
    office.run()

    assert office.shown(asked_to_wait).open_until - before > timedelta(minutes=29)


def test_while_what_somebody_asked_for_is_under_way_the_others_still_wait(
    office: Office, inbox: Receiver, asked_to_wait: UUID
) -> None:
    before = office.shown(asked_to_wait).open_until
    with unit_of_work(office.scope):
        asked = send_test(asked_to_wait, "http://here")

    with unit_of_work(office.scope):
        assert isinstance(sending.begin(asked.id, 1, early=True), sending.Order)

    assert office.shown(asked_to_wait).open_until == before


def test_a_failing_probe_does_not_shorten_a_pause_that_was_asked_for_meanwhile(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url, failures=1, failed_at=now(), open_until=now())
    with unit_of_work(office.scope):
        probing = send_test(endpoint_id, "http://here")
    with unit_of_work(office.scope):
        order = sending.begin(probing.id, 1, early=False)
    assert isinstance(order, sending.Order)
    open_until = now() + timedelta(minutes=30)
    office.change(endpoint_id, open_until=open_until)

    with unit_of_work(office.scope):
        sending.note_failure(order, Outcome(1.0, error="http_status", http_status=500))

    assert office.shown(endpoint_id).open_until == open_until
