from collections.abc import Iterator
from pathlib import Path

import pytest
from recording_probe import Recordings
from tests.support.idle_workers import idle_workers
from tests.support.vapi_server import API_KEY, VapiServer

from clozone.infra.object_storage import ObjectStorage, init_object_storage
from clozone.settings import Settings


@pytest.fixture(autouse=True)
def _idle_workers(platform_db: None) -> Iterator[None]:
    with idle_workers():
        yield


@pytest.fixture
def vapi() -> Iterator[VapiServer]:
    with VapiServer() as server:
        yield server


@pytest.fixture
def storage(settings: Settings) -> ObjectStorage:
    return init_object_storage(settings)


@pytest.fixture
def recording_settings(settings: Settings, vapi: VapiServer, tmp_path: Path) -> Settings:
    """The settings of an operator with a key, whose recordings come from the loopback."""
    changes = {
        "clozone_home": tmp_path,
        "vapi_api_key": API_KEY,
        "vapi_base_url": vapi.url,
        "recording_hosts": "127.0.0.1",
        "recording_allowed_networks": "127.0.0.0/8",
        "recording_allow_http": True,
    }
    return Settings(**(settings.model_dump() | changes))


@pytest.fixture
def recordings(recording_settings: Settings, storage: ObjectStorage) -> Recordings:
    return Recordings(recording_settings)
