"""What others do to an endpoint or a delivery while its message is under way."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

import httpx2
import pytest
from office import Office, eventually
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import unit_of_work
from clozone.kit.clock import now
from clozone.models.notifications import NotificationEndpoint
from clozone.notifications.sender import sender
from clozone.notifications.service import sending

UnderWay = Callable[[Reply], AbstractContextManager[str]]


@pytest.fixture
def under_way(office: Office, inbox: Receiver) -> UnderWay:
    """Runs a block while a message has been received and not been answered; gives the endpoint's id."""

    @contextmanager
    def under_way(reply: Reply) -> Iterator[str]:
        endpoint_id = office.endpoint(inbox.url)
        answering = threading.Event()
        inbox.then(Reply(reply.status, hold=answering))
        office.tell()
        running = threading.Thread(target=office.run)
        running.start()
        eventually(lambda: inbox.received)
        try:
            yield str(endpoint_id)
        finally:
            answering.set()
            running.join(30)

    return under_way


def test_a_failure_does_not_bring_back_what_disabling_ended(
    under_way: UnderWay, office: Office, admin: httpx2.Client, inbox: Receiver
) -> None:
    with under_way(Reply(500)) as endpoint_id:
        admin.patch(f"/api/notification-endpoints/{endpoint_id}", json={"enabled": False})

    delivery = office.delivery()
    assert (delivery.state, delivery.error) == ("failed", "the endpoint was disabled")
    assert (office.job().state, len(inbox.received)) == ("succeeded", 1)
    assert office.outcomes() == [("failed", "http_status", 500)]


def test_what_arrived_although_its_endpoint_was_disabled_counts_as_delivered(
    under_way: UnderWay, office: Office, admin: httpx2.Client
) -> None:
    with under_way(Reply()) as endpoint_id:
        admin.patch(f"/api/notification-endpoints/{endpoint_id}", json={"enabled": False})

    delivery = office.delivery()
    assert (delivery.state, delivery.error) == ("delivered", None)


@pytest.mark.parametrize("status", [200, 500])
def test_a_deleted_endpoint_leaves_nothing_to_record(
    under_way: UnderWay, office: Office, admin: httpx2.Client, status: int
) -> None:
    with under_way(Reply(status)) as endpoint_id:
        deleted = admin.delete(f"/api/notification-endpoints/{endpoint_id}")

    assert deleted.status_code == 204
    assert (office.deliveries(), office.attempts()) == ([], [])
    assert office.job().state == "succeeded"


@pytest.mark.parametrize("status", [200, 500])
def test_a_series_begun_meanwhile_is_the_one_that_counts(
    under_way: UnderWay, office: Office, admin: httpx2.Client, inbox: Receiver, status: int
) -> None:
    with under_way(Reply(status)):
        delivery = office.delivery()
        again = admin.post(f"/api/notification-deliveries/{delivery.id}/redeliver")
    office.later()

    assert again.status_code == 202
    assert [message.id for message in inbox.received] == [delivery.message_id] * 2
    delivery = office.delivery()
    assert (delivery.state, delivery.series, delivery.failures) == ("delivered", 2, 0)
    assert {job.state for job in office.jobs("notifications.deliver")} == {"succeeded"}


def test_an_answer_that_comes_after_the_circuit_opened_does_not_open_it_for_longer(
    under_way: UnderWay, office: Office
) -> None:
    with under_way(Reply(500)) as endpoint_id:
        before = NotificationEndpoint.created_at
        with unit_of_work(office.scope):
            NotificationEndpoint.update(failures=5, open_until=before).where(
                NotificationEndpoint.id == endpoint_id
            ).execute()

    endpoint = office.shown(endpoint_id)  # type: ignore[arg-type]
    assert (endpoint.failures, endpoint.open_until) == (5, endpoint.created_at)


@pytest.mark.parametrize("status", [410, 500])
def test_what_the_former_address_answers_says_nothing_about_the_new_one(
    under_way: UnderWay, office: Office, admin: httpx2.Client, inbox: Receiver, status: int
) -> None:
    with under_way(Reply(status)) as endpoint_id:
        moved = admin.patch(
            f"/api/notification-endpoints/{endpoint_id}", json={"url": f"{inbox.url}/new"}
        ).json()

    assert [message.path for message in inbox.received] == ["/", "/new"]
    assert [attempt.http_status for attempt in office.attempts()] == [status, 200]
    delivery, job = office.delivery(), office.job()
    assert (delivery.state, delivery.failures) == ("delivered", 0)
    assert (job.state, job.failures) == ("succeeded", 0)
    shown = admin.get(f"/api/notification-endpoints/{endpoint_id}").json()
    assert (shown["enabled"], shown["circuit"]) == (True, moved["circuit"])


def test_an_address_refused_for_good_is_not_held_against_the_one_given_meanwhile(
    office: Office, admin: httpx2.Client, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint("http://169.254.169.254/")
    office.tell()
    office.run_one(office.jobs()[0].id)
    delivery_id = office.delivery().id
    with unit_of_work(office.scope):
        order = sending.begin(delivery_id, 1, early=False)
    assert isinstance(order, sending.Order)
    outcome = sender().send(order.message)
    admin.patch(f"/api/notification-endpoints/{endpoint_id}", json={"url": inbox.url})

    with unit_of_work(office.scope):
        assert sending.note_failure(order, outcome) == sending.MOVED

    assert outcome.error == "private_address"
    assert office.delivery().state == "pending"


def test_what_the_former_address_took_is_delivered_and_closes_no_circuit_of_the_new_one(
    under_way: UnderWay, office: Office, admin: httpx2.Client, inbox: Receiver
) -> None:
    with under_way(Reply(200)) as endpoint_id:
        admin.patch(f"/api/notification-endpoints/{endpoint_id}", json={"url": f"{inbox.url}/new"})
        office.change(UUID(endpoint_id), failures=3, failed_at=now())

    assert office.delivery().state == "delivered"
    assert office.shown(UUID(endpoint_id)).failures == 3
