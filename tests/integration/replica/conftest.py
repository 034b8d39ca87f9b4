"""One primary with a standby for the tests of this folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from replica_site import Site
from tests.conftest import GENEROUS
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.local.bundle import Bundle

StartWeb = Callable[..., str]


@contextmanager
def web_process(site: Site, **more: str) -> Iterator[str]:
    """A web process on the site's servers; its address."""
    port = free_port()
    log = site.folder / f"web-{port}.log"
    with PlatformProcess(["web", "--bind", f"127.0.0.1:{port}"], site.environment | more, log):
        await_http(f"http://127.0.0.1:{port}/api/health/live")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("replica")
    bundle = Bundle(folder / "home", port=0, parts={"postgres", "valkey", "replica"})
    with ExitStack() as stack:
        stack.callback(bundle.destroy)
        bundle.start()
        environment = bundle.environment() | GENEROUS
        migrating = PlatformProcess(["migrate"], environment, folder / "migrate.log").start()
        assert migrating.process is not None
        assert migrating.process.wait(60) == 0, migrating.log.read_text()
        site = Site(bundle, environment, folder)
        site.address = stack.enter_context(web_process(site))
        yield site


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The site with its replica in use; whatever a test does to it is undone."""
    running_site.await_replica()
    yield running_site
    running_site.thaw()


@pytest.fixture
def start_web(site: Site) -> Iterator[StartWeb]:
    """Starts one more web process with these variables."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(web_process(site, **more))
