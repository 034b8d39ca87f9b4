"""A delivery's end without success, by the schedule, by the ledger or by an operator."""

from typing import Any
from uuid import UUID

import pytest
from office import Office
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import control
from clozone.kit.errors import Conflict
from clozone.notifications import sender
from clozone.notifications.schedule import MOST_ATTEMPTS
from clozone.notifications.service import deliveries, sending

FAILING = Reply(500)


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
