"""An endpoint that fails again and again is left alone, by every worker, until one message gets through."""

from concurrent.futures import ThreadPoolExecutor

from office import Office
from tests.support.notification_receiver import Receiver, Reply

from clozone.infra.postgres import unit_of_work
from clozone.kit.clock import now
from clozone.notifications.circuit import THRESHOLD
from clozone.notifications.repository import endpoints
from clozone.notifications.service import holding, sending

COUNT = THRESHOLD + 3


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


def test_the_circuit_of_one_endpoint_is_not_anothers(failing: Office, inbox: Receiver) -> None:
    failing.endpoint(f"{inbox.url}/healthy", events=["export.ready"])
    inbox.always(Reply())

    failing.tell("export.ready")
    failing.run()

    assert [message.path for message in inbox.received[THRESHOLD:]] == ["/healthy"]
