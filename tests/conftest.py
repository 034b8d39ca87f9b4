"""Fixtures over real servers. Unit tests use none of them and start nothing.

One set of servers serves the whole run; each xdist worker has its own database, Redis databases
and bucket, and each test makes its own organisation, so that nothing needs cleaning up.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from tests.support.processes import PlatformProcess, await_http, free_port
from tests.support.servers import RUN_FOLDER, shared_bundle, stop_bundles

from clozone.infra.cache import init_cache
from clozone.infra.object_storage import ObjectStorage
from clozone.infra.postgres import close_database, init_database, init_database_as_owner
from clozone.infra.progress import init_progress
from clozone.jobs.delivery import init_delivery
from clozone.models import schema
from clozone.settings import Settings

JWT_SECRET = "a-secret-of-the-tests-that-is-long-enough"
GENEROUS = {
    "RATE_LIMIT_API": "1000000 per minute",
    "RATE_LIMIT_USER": "1000000 per minute",
    "RATE_LIMIT_KEY": "1000000 per minute",
    "RATE_LIMIT_STRICT": "1000000 per minute",
    "RATE_LIMIT_STRICT_USER": "1000000 per minute",
    "RATE_LIMIT_LOGIN": "1000 per minute",
}


def pytest_configure(config: pytest.Config) -> None:
    """The process that leads the run owns the folder of its servers."""
    if hasattr(config, "workerinput"):
        return
    os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="clozone-tests-")
    Path(os.environ[RUN_FOLDER]).chmod(0o755)
    os.environ["CLOZONE_TEST_RUNNER"] = str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers with the run."""
    if not hasattr(config, "workerinput"):
        run = Path(os.environ[RUN_FOLDER])
        stop_bundles(run)
        shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="session")
def environment(worker_id: str) -> dict[str, str]:
    """The variables of the platform's processes for this test worker, its database migrated."""
    shared = shared_bundle("backing", GENEROUS)
    number = 0 if worker_id == "master" else int(worker_id.removeprefix("gw"))
    name = f"clozone_{worker_id}"
    with psycopg.connect(shared["SUPERUSER_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER clozone_owner")  # type: ignore[arg-type]
    redis = shared["REDIS_URL"].rsplit("/", 1)[0]
    environment = {
        **shared,
        **GENEROUS,
        "DATABASE_URL": _with_database(shared["DATABASE_URL"], name),
        "DATABASE_MIGRATE_URL": _with_database(shared["DATABASE_MIGRATE_URL"], name),
        "REDIS_URL": f"{redis}/{2 + 2 * (number % 6)}",
        "REDIS_CACHE_URL": f"{redis}/{3 + 2 * (number % 6)}",
        "S3_BUCKET": f"test-{worker_id}",
        "SPOOL_DIR": f"{shared['CLOZONE_HOME']}/spool-{worker_id}",
        "JWT_SECRET": JWT_SECRET,
    }
    settings = settings_from(environment)
    init_database_as_owner(settings)
    schema.migrate(settings)
    close_database()
    ObjectStorage.from_settings(settings).ensure_bucket()
    return environment


def settings_from(environment: dict[str, str]) -> Settings:
    """Settings of these variables alone, whatever the environment of the test run says."""
    fields = {name.lower(): value for name, value in environment.items()}
    return Settings(**{name: fields[name] for name in Settings.model_fields if name in fields})


def _with_database(url: str, name: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{name}"


@pytest.fixture(scope="session")
def settings(environment: dict[str, str]) -> Settings:
    """The settings of this test worker."""
    return settings_from(environment)


@pytest.fixture(scope="session")
def platform_db(settings: Settings) -> Iterator[None]:
    """This process connected like one of the platform's own: database pool and delivery."""
    init_database(settings)
    init_delivery(settings)
    init_cache(settings)
    init_progress(settings)
    yield
    close_database()


@pytest.fixture(scope="session")
def web(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real web process on this worker's database."""
    port = free_port()
    log = tmp_path_factory.mktemp("web") / "web.log"
    with PlatformProcess(["web", "--bind", f"127.0.0.1:{port}"], environment, log):
        await_http(f"http://127.0.0.1:{port}/api/health/live")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def api(web: str) -> Iterator[httpx2.Client]:
    """A client of the web process, without credentials."""
    with httpx2.Client(base_url=web, timeout=30) as client:
        yield client
