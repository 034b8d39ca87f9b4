"""Real processes: a request to the web process, a message by the worker, and a worker that is killed."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx2
import pytest
from office import ALL, Office, eventually
from tests.conftest import settings_from
from tests.support.notification_receiver import Receiver, Reply
from tests.support.processes import PlatformProcess

from clozone.jobs.delivery import init_delivery
from clozone.jobs.sweeper import Sweeper

PATH = "/api/notification-endpoints"
StartWorker = Callable[[], PlatformProcess]


@pytest.fixture
def start_worker(
    own_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartWorker]:
    """Starts worker processes that listen to what this folder's web process announces."""
    with ExitStack() as running:

        def start() -> PlatformProcess:
            log = tmp_path_factory.mktemp("worker") / "worker.log"
            worker = running.enter_context(PlatformProcess(["worker"], own_environment, log))
            worker.await_line("worker ready")
            return worker

        yield start


@pytest.fixture
def announcing(here: object, own_environment: dict[str, str]) -> None:
    """What this process enqueues is announced to the worker processes."""
    init_delivery(settings_from(own_environment))


def test_a_test_message_goes_from_the_api_to_the_receiver(
    start_worker: StartWorker, admin: httpx2.Client, inbox: Receiver
) -> None:
    start_worker()
    made = admin.post(PATH, json={"url": inbox.url, "events": ["export.ready"]}).json()

    sent = admin.post(f"{PATH}/{made['id']}/test")

    assert sent.status_code == 202
    (message,) = eventually(lambda: inbox.received)
    assert message.is_signed_with(made["secret"])
    assert message.id == sent.json()["message_id"]
    assert message.json["type"] == "endpoint.test"
    assert message.json["data"]["endpoint_id"] == made["id"]
    log = f"/api/notification-deliveries/{sent.json()['id']}"
    eventually(lambda: admin.get(log).json()["state"] == "delivered")


def test_events_fan_out_to_every_endpoint(
    announcing: None, start_worker: StartWorker, office: Office, inbox: Receiver
) -> None:
    for number in range(3):
        office.endpoint(f"{inbox.url}/{number}")
    start_worker()

    for event in ALL:
        office.tell(event)

    expected = {(f"/{number}", event) for number in range(3) for event in ALL}
    eventually(lambda: len(inbox.received) >= len(expected))
    assert {(one.path, one.json["type"]) for one in inbox.received} == expected
    eventually(lambda: {one.state for one in office.deliveries()} == {"delivered"})
    assert len(inbox.received) == len(expected)


def test_a_worker_killed_after_sending_leaves_the_message_to_be_sent_again_under_its_id(
    announcing: None, start_worker: StartWorker, office: Office, inbox: Receiver
) -> None:
    office.endpoint(inbox.url)
    answering = threading.Event()
    inbox.then(Reply(hold=answering))
    worker = start_worker()
    office.tell()
    eventually(lambda: inbox.received)

    worker.stop(signal.SIGKILL)
    answering.set()
    start_worker()
    sweeper = Sweeper(lease=0)
    eventually(lambda: sweeper.sweep() or office.delivery().state == "delivered")

    assert [message.id for message in inbox.received] == [office.delivery().message_id] * 2
    assert len({message.body for message in inbox.received}) == 1
    assert [outcome for outcome, *_ in office.outcomes()] == ["lost", "delivered"]
    assert office.job().state == "succeeded"
