from collections.abc import Iterator
from contextlib import suppress
from unittest.mock import patch
from uuid import UUID

import pytest
from job_probe import Probe
from redis.exceptions import RedisError

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import kinds
from clozone.jobs.delivery import delivery
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization
from clozone.models.operations import Job, JobControl
from clozone.settings import Settings


@pytest.fixture
def org_id(platform_db: None) -> UUID:
    """An organisation of this test's own."""
    org_id = new_id()
    with unit_of_work(Scope.platform()):
        Organization.create(id=org_id, name="Acme")
    return org_id


@pytest.fixture
def probe(org_id: UUID, settings: Settings) -> Iterator[Probe]:
    """A kind of the test's own, the only one that this process runs; swept away afterwards."""
    probe = Probe(org_id, settings)
    with patch.dict(kinds.KINDS), patch.dict(kinds._attached, clear=True):
        probe.attach()
        yield probe
        with unit_of_work(Scope.platform()):
            Job.delete().where(Job.kind.startswith("test.")).execute()
            JobControl.delete().execute()
    with suppress(RedisError):  # the test may have stopped it
        delivery().forget_everything()
