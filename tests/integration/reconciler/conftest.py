from collections.abc import Iterator
from pathlib import Path

import pytest
from reconciler_probe import Reconciler
from tests.support.idle_workers import idle_workers
from tests.support.vapi_server import API_KEY, VapiServer

from clozone.infra.object_storage import ObjectStorage, init_object_storage
from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.reconciliation import Reconciliation
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
def reconciler(
    settings: Settings, platform_db: None, vapi: VapiServer, storage: ObjectStorage, tmp_path: Path
) -> Reconciler:
    """The reconciler of an operator with a key; no run before this test's."""
    with unit_of_work(Scope.platform()):
        Reconciliation.delete().execute()
    changes = {
        "clozone_home": tmp_path,
        "vapi_api_key": API_KEY,
        "vapi_base_url": vapi.url,
        "recording_hosts": "127.0.0.1",
        "recording_allowed_networks": "127.0.0.0/8",
        "recording_allow_http": True,
    }
    return Reconciler(Settings(**(settings.model_dump() | changes)))
