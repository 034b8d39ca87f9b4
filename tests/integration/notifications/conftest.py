"""Notifications on a Redis of their own: the tests themselves say when a job runs, or which worker.

Receivers are on the loopback, so the processes of this folder may reach it.
"""

from collections.abc import Iterator

import httpx2
import pytest
from office import Office
from tests.conftest import settings_from
from tests.support.notification_receiver import Receiver, Reply, receiver
from tests.support.people import SignIn, signing_in
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.jobs.delivery import init_delivery
from clozone.local.bundle import Bundle
from clozone.notifications.circuit import THRESHOLD
from clozone.notifications.sender import init_sender
from clozone.settings import Settings

REACHABLE = {"NOTIFICATION_ALLOWED_NETWORKS": "127.0.0.0/8", "NOTIFICATION_ALLOW_HTTP": "true"}


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis of our own, without the number of the database."""
    home = tmp_path_factory.mktemp("notifications-redis") / "home"
    with Bundle(home, port=0, parts=["valkey"]) as bundle:
        yield bundle.environment()["REDIS_URL"].rsplit("/", 1)[0]


@pytest.fixture(scope="session")
def own_environment(environment: dict[str, str], own_redis: str) -> dict[str, str]:
    """The variables of this folder's processes."""
    return environment | REACHABLE | {"REDIS_URL": f"{own_redis}/0", "JOB_LEASE_SECONDS": "1"}


@pytest.fixture(scope="session")
def quiet_settings(own_environment: dict[str, str], own_redis: str) -> Settings:
    """Settings of this process, whose jobs are announced where no worker listens."""
    return settings_from(own_environment | {"REDIS_URL": f"{own_redis}/1"})


@pytest.fixture
def here(platform_db: None, settings: Settings, quiet_settings: Settings) -> Iterator[Settings]:
    """This process as one that sends notifications and disturbs no other."""
    init_delivery(quiet_settings)
    init_sender(quiet_settings)
    yield quiet_settings
    init_delivery(settings)


@pytest.fixture
def office(here: Settings) -> Office:
    return Office(here)


@pytest.fixture
def other_office(here: Settings) -> Office:
    return Office(here)


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    """The organisation's server."""
    with receiver() as running:
        yield running


@pytest.fixture
def failing(office: Office, inbox: Receiver) -> Office:
    """An office of whose messages the first few failed, so that the circuit is open."""
    office.endpoint(inbox.url)
    inbox.always(Reply(500))
    for _ in range(THRESHOLD + 3):
        office.tell()
    office.run()
    return office


@pytest.fixture(scope="session")
def own_web(
    own_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a web process that lets loopback addresses be registered."""
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path_factory.mktemp("notifications-web") / "web.log"
    with PlatformProcess(["web", "--bind", address], own_environment, log):
        await_http(f"http://{address}/api/health/live")
        yield f"http://{address}"


@pytest.fixture
def sign_in(own_web: str, settings: Settings) -> Iterator[SignIn]:
    with signing_in(own_web, settings) as sign_in:
        yield sign_in


@pytest.fixture
def admin(sign_in: SignIn, office: Office) -> httpx2.Client:
    return sign_in(office.team, "admin")
