import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from graded_calls import Team, jobs_of, make_team
from tests.support.one_job import OneJobRunner

import clozone.exports.jobs  # noqa: F401 - attaches the handler
from clozone.accounts.tokens import AccessTokens
from clozone.infra.object_storage import ObjectStorage, init_object_storage
from clozone.infra.postgres import unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.jobs.leases import Leases
from clozone.kit.clock import now
from clozone.models.operations import Job
from clozone.settings import Settings
from clozone.web.identity import Role

A_DAY = timedelta(days=1)


@pytest.fixture
def storage(settings: Settings) -> ObjectStorage:
    """The object storage of this process."""
    return init_object_storage(settings)


@pytest.fixture
def team(platform_db: None, storage: ObjectStorage) -> Team:
    return make_team()


class Worker:
    """A worker's runner in this process. Its retries wait so long that no other worker gets them."""

    def __init__(self, settings: Settings) -> None:
        patient = settings.model_copy(update={"job_retry_base_seconds": A_DAY.total_seconds()})
        self._runner = OneJobRunner(patient, Leases("exports-test", settings.job_lease_seconds))

    def order(self, team: Team, session_id: UUID) -> UUID:
        """Enqueue the job as the pipeline does, but announced to nobody before tomorrow."""
        with unit_of_work(team.scope):
            return enqueue(
                "exports.render_scorecard",
                {"session_id": str(session_id)},
                subject_id=session_id,
                run_at=now() + A_DAY,
            )

    def try_once(self, team: Team, job_id: UUID) -> Job:
        """Run the job now, due or not; the job as it stands afterwards."""
        with unit_of_work(team.scope):
            Job.update(run_at=Job.created_at).where(Job.id == job_id).execute()
        self._runner.run(job_id)
        with unit_of_work(team.scope):
            job: Job = Job.get_by_id(job_id)
            return job

    def render(self, team: Team, session_id: UUID) -> Job:
        """Enqueue and run."""
        return self.try_once(team, self.order(team, session_id))

    def finish(self, team: Team, session_id: UUID) -> None:
        """Run what waits; what another worker has taken is waited for."""
        deadline = time.monotonic() + 30
        while jobs := [job for job in jobs_of(team, session_id) if job.finished_at is None]:
            assert time.monotonic() < deadline, [job.state for job in jobs]
            for job in jobs:
                self.try_once(team, job.id)


@pytest.fixture
def worker_here(settings: Settings, storage: ObjectStorage) -> Worker:
    return Worker(settings)


@pytest.fixture
def signed_in(web: str, settings: Settings) -> Iterator[Callable[[Team, UUID], httpx2.Client]]:
    """Makes clients of the web process for people of a team."""
    tokens = AccessTokens(settings)
    clients: list[httpx2.Client] = []

    def sign_in(team: Team, user_id: UUID) -> httpx2.Client:
        role = Role.manager if user_id == team.manager else Role.rep
        token = tokens.issue(user_id, team.org_id, role)
        clients.append(
            httpx2.Client(
                base_url=web, headers={"Authorization": f"Bearer {token}"}, trust_env=False
            )
        )
        return clients[-1]

    yield sign_in
    for client in clients:
        client.close()
