from collections.abc import Iterator
from uuid import UUID

import pytest
from job_probe import Probe

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import kinds
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import Kind, Queue
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization
from clozone.settings import Settings

LEASE_SECONDS = 0.6


@pytest.fixture
def org_id(platform_db: None) -> UUID:
    """An organisation of this test's own."""
    org_id = new_id()
    with unit_of_work(Scope.platform()):
        Organization.create(id=org_id, name="Acme")
    return org_id


@pytest.fixture
def probe(org_id: UUID, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    """A kind of the test's own; its messages are swept away afterwards."""
    probe = Probe(org_id, settings)
    monkeypatch.setitem(kinds.KINDS, probe.kind, Kind(probe.kind, Queue.bulk))
    monkeypatch.setitem(kinds._handlers, probe.kind, probe.run)
    yield probe
    delivery().forget_everything()
