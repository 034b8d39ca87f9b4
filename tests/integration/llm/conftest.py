from collections.abc import Callable, Iterator
from typing import Any

import pytest
from account import Account
from tests.support.model import PRICED, OfflineModel, offline_model

from clozone.infra.postgres import close_database, init_database
from clozone.llm.meter import Meter
from clozone.settings import Settings


@pytest.fixture(scope="session")
def running_model(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OfflineModel]:
    with offline_model(environment, tmp_path_factory.mktemp("model") / "model.log") as model:
        yield model


@pytest.fixture
def model(running_model: OfflineModel) -> Iterator[OfflineModel]:
    """The offline model without faults, nothing counted yet."""
    running_model.reset()
    yield running_model
    running_model.switch()


@pytest.fixture
def account(platform_db: None) -> Account:
    """An organisation that has never asked anything."""
    return Account()


@pytest.fixture
def asking(settings: Settings, model: OfflineModel) -> dict[str, Any]:
    """The settings that point at the model; a test changes what it is about."""
    return {"openai_base_url": model.base_url, "openai_api_key": "any", "llm_model": PRICED}


@pytest.fixture
def make_meter(settings: Settings, asking: dict[str, Any]) -> Iterator[Callable[..., Meter]]:
    """Makes meters: `make_meter(llm_timeout_seconds=1)`."""
    made: list[Meter] = []

    def make(**changes: Any) -> Meter:
        told = settings.model_dump() | asking | changes
        made.append(Meter(Settings(**told)))
        return made[-1]

    yield make
    for meter in made:
        meter.close()


@pytest.fixture
def meter(make_meter: Callable[..., Meter]) -> Meter:
    return make_meter()


@pytest.fixture
def many_connections(platform_db: None, settings: Settings) -> Iterator[None]:
    """As many connections as a test has threads, so that only the rows make them wait."""
    close_database()
    init_database(settings, pool_size=40)
    yield
    close_database()
    init_database(settings)
