"""What an open circuit holds back, and how it is let go."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2
import pytest
from office import Office
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import unit_of_work
from clozone.kit.clock import now
from clozone.models.notifications import NotificationDelivery
from clozone.notifications.circuit import THRESHOLD
from clozone.notifications.schedule import LONGEST_SERIES
from clozone.notifications.service import holding

COUNT = THRESHOLD + 3


def test_what_comes_while_it_is_open_is_held_back_without_a_failure(
    failing: Office, inbox: Receiver
) -> None:
    (endpoint_id,) = {delivery.endpoint_id for delivery in failing.deliveries()}

    failing.hurry()

    assert len(inbox.received) == THRESHOLD
    assert failing.shown(endpoint_id).failures == THRESHOLD
    jobs = failing.jobs("notifications.deliver")
    assert [job.failures for job in jobs] == [1] * THRESHOLD + [0] * (COUNT - THRESHOLD)
    assert {job.state for job in jobs} == {"succeeded"}
    deliveries = failing.deliveries()
    assert [one.failures for one in deliveries] == [1] * THRESHOLD + [0] * (COUNT - THRESHOLD)
    assert {(one.state, one.next_attempt_at) for one in deliveries} == {("pending", None)}


def test_however_long_it_is_open_what_is_held_back_costs_the_ledger_nothing_more(
    failing: Office, inbox: Receiver
) -> None:
    failing.hurry()
    tries = failing.tries("notifications.deliver")
    hours = 36

    for _ in range(hours):
        failing.hurry()
    for _ in range(hours):
        failing.later()

    assert tries == COUNT + THRESHOLD
    # One message goes to see whenever the circuit is half-open.
    assert len(inbox.received) == THRESHOLD + hours
    assert failing.tries("notifications.deliver") <= tries + 2 * hours


def test_what_waited_is_let_go_a_part_at_a_time(
    office: Office, inbox: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(holding._AT_ONCE, "closed", 2)
    endpoint_id = office.endpoint(inbox.url, open_until=now() + timedelta(hours=1))
    for _ in range(6):
        office.tell()
    office.run()

    received = []
    for _ in range(4):
        office.change(endpoint_id, open_until=None)
        office.hurry()
        received.append(len(inbox.received))

    assert received == [2, 4, 6, 6]
    assert {one.state for one in office.deliveries()} == {"delivered"}
    assert {job.state for job in office.jobs()} == {"succeeded"}


def test_none_is_forgotten_that_is_held_back_while_others_are_let_go(
    office: Office, inbox: Receiver
) -> None:
    endpoint_id = office.endpoint(inbox.url, open_until=now() + timedelta(hours=1))
    for _ in range(20):
        office.tell()
    for job in office.jobs("notifications.fan_out"):
        office.run_one(job.id)
    jobs = [job.id for job in office.jobs("notifications.deliver")]

    def hold(place: int) -> None:
        if place == 10:
            office.change(endpoint_id, open_until=None)
        office.run_one(jobs[place])
        for release in office.jobs("notifications.release", due=True):
            office.run_one(release.id)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(hold, range(len(jobs))))
    office.hurry()

    assert {one.state for one in office.deliveries()} == {"delivered"}
    assert {job.state for job in office.jobs()} == {"succeeded"}


def test_a_new_address_is_told_at_once_what_the_former_one_missed(
    failing: Office, inbox: Receiver, admin: httpx2.Client
) -> None:
    (endpoint_id,) = {delivery.endpoint_id for delivery in failing.deliveries()}
    inbox.always(Reply())

    admin.patch(f"/api/notification-endpoints/{endpoint_id}", json={"url": f"{inbox.url}/new"})
    failing.run()

    assert [one.path for one in inbox.received[THRESHOLD:]] == ["/new"] * (COUNT - THRESHOLD)


def test_what_was_held_back_for_too_long_is_given_up(failing: Office, inbox: Receiver) -> None:
    with unit_of_work(failing.scope):
        NotificationDelivery.update(
            series_began_at=now() - LONGEST_SERIES - timedelta(minutes=1)
        ).execute()

    failing.hurry()

    failing.hurry()
    assert len(inbox.received) == THRESHOLD
    assert {delivery.state for delivery in failing.deliveries()} == {"failed"}
    assert all("did not recover" in delivery.error for delivery in failing.deliveries())
    assert {job.state for job in failing.jobs("notifications.deliver")} == {"succeeded"}
