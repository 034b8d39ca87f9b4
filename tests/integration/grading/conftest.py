"""Grading on processes of its own: an offline model whose faults hit nobody else, a web, a worker.

The worker lives as long as the module that asks for it: it takes whatever waits in the database, and
must not take the jobs of tests that run theirs themselves.
"""

from collections.abc import Iterator

import httpx2
import pytest
from graded_practice import GradedPractice
from tests.conftest import settings_from
from tests.support.model import PRICED, OfflineModel, offline_model
from tests.support.people import SignIn, Team, signing_in
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.infra.cache import init_cache
from clozone.infra.progress import init_progress
from clozone.jobs.delivery import init_delivery
from clozone.local.bundle import Bundle
from clozone.settings import Settings

WINDOW_TOKENS = 1_500


@pytest.fixture(scope="session")
def running_model(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OfflineModel]:
    with offline_model(environment, tmp_path_factory.mktemp("model") / "model.log") as model:
        yield model


@pytest.fixture(scope="session")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis of our own: no other worker takes the jobs announced in it."""
    home = tmp_path_factory.mktemp("grading-redis") / "home"
    with Bundle(home, port=0, parts=["valkey"]) as bundle:
        yield bundle.environment()["REDIS_URL"]


@pytest.fixture(scope="session")
def own_environment(
    environment: dict[str, str], running_model: OfflineModel, own_redis: str
) -> dict[str, str]:
    """The variables of this folder's processes."""
    return environment | {
        "OPENAI_BASE_URL": running_model.base_url,
        "OPENAI_API_KEY": "any",
        "LLM_MODEL": PRICED,
        "LLM_TIMEOUT_SECONDS": "5",
        "LLM_MAX_INPUT_TOKENS": str(WINDOW_TOKENS),
        "JOB_RETRY_BASE_SECONDS": "0.05",
        "REDIS_URL": own_redis,
        "REDIS_CACHE_URL": own_redis,
    }


@pytest.fixture(scope="session")
def own_settings(own_environment: dict[str, str]) -> Settings:
    return settings_from(own_environment)


@pytest.fixture(scope="session")
def own_web(
    own_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a web process that announces its jobs to this folder's worker."""
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path_factory.mktemp("grading-web") / "web.log"
    with PlatformProcess(["web", "--bind", address], own_environment, log):
        await_http(f"http://{address}/api/health/live")
        yield f"http://{address}"


@pytest.fixture(scope="module")
def grader(
    own_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PlatformProcess]:
    """A worker process that asks this folder's model, and a scheduler that sweeps for it."""
    logs = tmp_path_factory.mktemp("grader")
    with (
        PlatformProcess(["scheduler"], own_environment, logs / "scheduler.log"),
        PlatformProcess(["worker"], own_environment, logs / "worker.log") as process,
    ):
        process.await_line("worker ready")
        yield process


@pytest.fixture
def model(running_model: OfflineModel) -> Iterator[OfflineModel]:
    """The model without faults, nothing counted."""
    running_model.reset()
    yield running_model
    running_model.switch()


@pytest.fixture(autouse=True)
def announced(platform_db: None, settings: Settings, own_settings: Settings) -> Iterator[None]:
    """What this process enqueues and changes is announced to this folder's processes."""
    for announcer in (init_delivery, init_cache, init_progress):
        announcer(own_settings)
    yield
    for announcer in (init_delivery, init_cache, init_progress):
        announcer(settings)


@pytest.fixture
def sign_in(own_web: str, own_settings: Settings) -> Iterator[SignIn]:
    with signing_in(own_web, own_settings) as sign_in:
        yield sign_in


@pytest.fixture
def team(platform_db: None) -> Team:
    return Team()


@pytest.fixture
def rep(sign_in: SignIn, team: Team) -> httpx2.Client:
    return sign_in(team, "rep")


@pytest.fixture
def manager(sign_in: SignIn, team: Team) -> httpx2.Client:
    return sign_in(team, "manager")


@pytest.fixture
def practice(team: Team, rep: httpx2.Client, manager: httpx2.Client) -> GradedPractice:
    return GradedPractice(team, rep, manager)
