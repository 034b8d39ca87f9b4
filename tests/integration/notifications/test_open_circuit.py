"""An endpoint that fails again and again is left alone, by every worker, until one message gets through."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from office import Office, eventually
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import unit_of_work
from clozone.kit.clock import now
from clozone.models.notifications import NotificationDelivery
from clozone.notifications.circuit import THRESHOLD
from clozone.notifications.repository import endpoints
from clozone.notifications.schedule import LONGEST_SERIES
from clozone.notifications.sender import Outcome
from clozone.notifications.service import holding, sending
from clozone.notifications.service.endpoints import send_test

FAILING = Reply(500)
PATIENCE = Reply(429, {"retry-after": "1800"})
COUNT = THRESHOLD + 3


@pytest.fixture
def failing(office: Office, inbox: Receiver) -> Office:
    """An office of whose messages the first few failed, so that the circuit is open."""
    office.endpoint(inbox.url)
    inbox.always(FAILING)
    for _ in range(COUNT):
        office.tell()
    office.run()
    return office


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


def test_half_open_one_message_goes_through_and_its_failure_opens_it_for_longer(
    failing: Office, inbox: Receiver
) -> None:
    (endpoint_id,) = {delivery.endpoint_id for delivery in failing.deliveries()}
    failing.change(endpoint_id, open_until=now())

    failing.hurry()

    assert len(inbox.received) == THRESHOLD + 1
    endpoint = failing.shown(endpoint_id)
    assert endpoint.failures == THRESHOLD + 1
    assert endpoint.open_until > now()


def test_a_message_that_gets_through_closes_it_for_all(failing: Office, inbox: Receiver) -> None:
    (endpoint_id,) = {delivery.endpoint_id for delivery in failing.deliveries()}
    inbox.always(Reply())
    failing.change(endpoint_id, open_until=now())

    failing.hurry()

    assert [delivery.state for delivery in failing.deliveries()] == ["delivered"] * COUNT
    endpoint = failing.shown(endpoint_id)
    assert (endpoint.failures, endpoint.open_until) == (0, None)


def test_of_many_at_once_one_is_let_through(office: Office, inbox: Receiver) -> None:
    moment = now()
    endpoint_id = office.endpoint(inbox.url, failures=THRESHOLD, open_until=moment)

    def take(_number: int) -> bool:
        with unit_of_work(office.scope):
            return endpoints.take_probe(endpoint_id, moment, moment + holding.PROBE)

    with ThreadPoolExecutor(5) as workers:
        taken = list(workers.map(take, range(20)))

    assert sorted(taken) == [False] * 19 + [True]


def test_a_probe_whose_worker_died_is_followed_by_another(office: Office, inbox: Receiver) -> None:
    endpoint_id = office.endpoint(inbox.url, failures=THRESHOLD, open_until=now())
    office.tell()
    office.run_one(office.jobs("notifications.fan_out")[0].id)
    delivery = office.delivery()
    with unit_of_work(office.scope):
        assert isinstance(sending.begin(delivery.id, 1, early=False), sending.Order)
    office.run()
    assert (office.job().state, office.delivery().state) == ("succeeded", "pending")
    office.change(endpoint_id, open_until=now())

    office.hurry()

    assert office.delivery().state == "delivered"
    assert [outcome for outcome, *_ in office.outcomes()] == ["lost", "delivered"]


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


def test_the_circuit_of_one_endpoint_is_not_anothers(failing: Office, inbox: Receiver) -> None:
    failing.endpoint(f"{inbox.url}/healthy", events=["export.ready"])
    inbox.always(Reply())

    failing.tell("export.ready")
    failing.run()

    assert [message.path for message in inbox.received[THRESHOLD:]] == ["/healthy"]


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
