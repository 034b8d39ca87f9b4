"""The inbox in the hands of a test: post to the web process, run the jobs here, look at the rows."""

from collections.abc import Iterable, Iterator
from uuid import UUID

import httpx2
from tests.support.one_job import OneJobRunner
from tests.support.vapi import Json, encoded

import clozone.sessions.jobs
import clozone.webhooks.jobs  # noqa: F401 - attaches the handlers
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.leases import Leases
from clozone.models.operations import Job, WebhookEvent
from clozone.models.training import TrainingSession
from clozone.settings import Settings

PATH = "/api/webhooks/vapi"
PROCESS, CLEAN, GRADE = (
    "webhooks.process_event",
    "sessions.clean_transcript",
    "grading.grade_session",
)


class Inbox:
    """What a delivery does, step by step: nothing runs before the test says so."""

    def __init__(self, client: httpx2.Client, settings: Settings) -> None:
        self._client = client
        self._runner = OneJobRunner(settings, Leases("webhooks-test", settings.job_lease_seconds))
        self._secret = settings.vapi_webhook_secret.get_secret_value()

    def post(self, body: Json | bytes | Iterator[bytes], **headers: str) -> httpx2.Response:
        """Deliver, as Vapi does."""
        proof = {"X-Vapi-Secret": self._secret, "Content-Type": "application/json"}
        content = encoded(body) if isinstance(body, dict) else body
        return self._client.post(PATH, content=content, headers=proof | headers)

    def take(self, body: Json | bytes, **headers: str) -> UUID:
        """Deliver and expect the message to be stored; the id of its row."""
        answer = self.post(body, **headers)
        assert answer.status_code == 200, answer.text
        return UUID(answer.json()["id"])

    def event(self, event_id: UUID) -> WebhookEvent:
        """A row of the inbox."""
        with unit_of_work(Scope.platform()):
            event: WebhookEvent = WebhookEvent.get_by_id(event_id)
            return event

    def count(self) -> int:
        """How many deliveries the inbox holds."""
        with unit_of_work(Scope.platform()):
            return int(WebhookEvent.select().count())

    def jobs_of(self, event_id: UUID) -> list[Job]:
        """The jobs that process a delivery."""
        with unit_of_work(Scope.platform()):
            return list(
                Job.select().where(
                    Job.kind == PROCESS, Job.payload.contains({"event_id": str(event_id)})
                )
            )

    def jobs_on(self, session_id: UUID, kind: str) -> list[Job]:
        """The jobs of a kind on a session, in the order they were added."""
        with unit_of_work(Scope.platform()):
            return list(
                Job.select()
                .where(Job.subject_id == session_id, Job.kind == kind)
                .order_by(Job.created_at, Job.id)
            )

    def run(self, jobs: Iterable[Job]) -> None:
        """Run jobs; those that are done already stay as they are. Each has to succeed."""
        for job in jobs:
            self._runner.run(job.id)
            with unit_of_work(Scope.platform()):
                row = Job.get_by_id(job.id)
                assert row.state == "succeeded", row.last_error

    def try_once(self, job: Job) -> str:
        """Run a job now, due or not; the state it ends in."""
        with unit_of_work(Scope.platform()):
            Job.update(run_at=Job.created_at).where(Job.id == job.id).execute()
        self._runner.run(job.id)
        with unit_of_work(Scope.platform()):
            return str(Job.get_by_id(job.id).state)

    def process(self, event_id: UUID) -> WebhookEvent:
        """Run the job of a delivery; its row afterwards."""
        self.run(self.jobs_of(event_id))
        return self.event(event_id)

    def receive(self, body: Json | bytes) -> WebhookEvent:
        """Deliver and process."""
        return self.process(self.take(body))

    def clean(self, session_id: UUID) -> None:
        """Run the step after the report."""
        self.run(self.jobs_on(session_id, CLEAN))

    def session(self, session_id: UUID) -> TrainingSession:
        """A session as stored."""
        with unit_of_work(Scope.platform()):
            session: TrainingSession = TrainingSession.get_by_id(session_id)
            return session

    def sessions(self, *org_ids: UUID) -> list[TrainingSession]:
        """Every session of these organisations, oldest first."""
        with unit_of_work(Scope.platform()):
            return list(
                TrainingSession.select()
                .where(TrainingSession.org_id.in_(org_ids))
                .order_by(TrainingSession.created_at, TrainingSession.id)
            )
