from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import httpx2
import pytest
from tests.support.people import Team
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.accounts import Profile

WebProcess = Callable[..., httpx2.Client]


@pytest.fixture(scope="module")
def another_web(
    environment: dict[str, str], platform_db: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    """Starts web processes with other settings; answers with a client of each."""

    @contextmanager
    def run(changes: dict[str, str]) -> Iterator[httpx2.Client]:
        url = f"http://127.0.0.1:{free_port()}"
        log = tmp_path_factory.mktemp("web") / "web.log"
        bind = url.removeprefix("http://")
        with PlatformProcess(["web", "--bind", bind], environment | changes, log):
            await_http(f"{url}/api/health/live")
            with httpx2.Client(base_url=url, timeout=30) as client:
                yield client

    with ExitStack() as running:

        def start(**changes: str) -> httpx2.Client:
            process: AbstractContextManager[httpx2.Client] = run(changes)
            return running.enter_context(process)

        yield start


Store = Callable[..., None]


@pytest.fixture
def store(team: Team) -> Store:
    """Changes a person of the team as somebody else would: `store("admin", role="rep")`."""

    def change(who: str, **values: Any) -> None:
        with unit_of_work(Scope.tenant(team.org_id)):
            Profile.update(**values).where(Profile.id == team.people[who]).execute()

    return change
