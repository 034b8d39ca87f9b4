"""The reconciler in the hands of a test: run it, run the jobs it added, look at the rows."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.support.one_job import OneJobRunner
from tests.support.practice import Practice
from tests.support.vapi import Call, Json, encoded
from tests.support.vapi_server import VapiServer

import clozone.exports.jobs
import clozone.reconciler.jobs
import clozone.recordings.jobs
import clozone.sessions.jobs
import clozone.webhooks.jobs  # noqa: F401 - attaches the handlers
from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.jobs.leases import Leases
from clozone.kit.clock import iso, now
from clozone.models.operations import Job, WebhookEvent
from clozone.models.reconciliation import Reconciliation
from clozone.models.training import TrainingSession
from clozone.reconciler.findings import Account, Finding, Kind
from clozone.reconciler.service import Run, init_reconciler
from clozone.recordings.fetcher import init_recordings
from clozone.settings import Settings
from clozone.webhooks import inbox
from clozone.webhooks.envelope import read_envelope

HOUR = timedelta(hours=1)


class Reconciler:
    """Runs of the reconciler, and what they leave behind."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        init_recordings(settings)
        init_reconciler(settings)
        self._runner = OneJobRunner(settings, Leases("reconciler-test", settings.job_lease_seconds))

    def run(
        self, *, dry_run: bool = False, since: datetime | None = None, **changes: Any
    ) -> Account:
        """One run, by the settings with these changes."""
        settings = Settings(**(self.settings.model_dump() | changes))
        return Run(settings, since=since, dry_run=dry_run).run()

    def found(self, account: Account, *about: object) -> list[Finding]:
        """What was found about these sessions, deliveries or calls; the database is shared."""
        return [f for f in account.findings if f.id in about or f.call_id in about]

    def healed(self, account: Account, *about: object) -> list[Kind]:
        """The kinds of what was healed about these."""
        return [f.kind for f in account.healed if f.id in about or f.call_id in about]

    def age(self, session_id: UUID, age: timedelta = HOUR) -> None:
        """Let a session be as old as that, and unchanged since."""
        with unit_of_work(Scope.platform()):
            database.execute_sql(
                "UPDATE training_sessions SET updated_at = %s, created_at = least(created_at, %s)"
                " WHERE id = %s",
                (now() - age, now() - age, session_id),
            )

    def take(self, body: Json) -> UUID:
        """A webhook arrives and is stored; its id."""
        content = encoded(body)
        return inbox.store(inbox.received(content, {}), read_envelope(content)).id

    def process(self, call_id: str) -> None:
        """Run what processes the deliveries about a call."""
        for event in self.events(call_id):
            self.process_event(event.id)

    def process_event(self, event_id: UUID) -> None:
        """Run what processes a delivery."""
        self._run_all(Job.subject_id == event_id, Job.kind == "webhooks.process_event")

    def clean(self, session_id: UUID) -> None:
        """Run the step after the report."""
        self._run_all(Job.subject_id == session_id, Job.kind == "sessions.clean_transcript")

    def _run_all(self, *conditions: Any) -> None:
        with unit_of_work(Scope.platform()):
            due = [job.id for job in Job.select().where(*conditions, Job.state == "queued")]
        for job_id in due:
            assert self.try_once(job_id).state == "succeeded"

    def try_once(self, job_id: UUID) -> Job:
        """Run a job now, due or not; its row afterwards."""
        with unit_of_work(Scope.platform()):
            Job.update(run_at=Job.created_at).where(Job.id == job_id).execute()
        self._runner.run(job_id)
        with unit_of_work(Scope.platform()):
            job: Job = Job.get_by_id(job_id)
            return job

    def jobs(self, kind: str, session_id: UUID) -> list[Job]:
        """The jobs of a kind about a session."""
        with unit_of_work(Scope.platform()):
            return list(
                Job.select()
                .where(Job.kind == kind, Job.payload.contains({"session_id": str(session_id)}))
                .order_by(Job.created_at)
            )

    def end_jobs(self, session_id: UUID, state: str, error: str | None = None) -> None:
        """Let the unfinished jobs about a session have ended so."""
        with unit_of_work(Scope.platform()):
            Job.update(state=state, last_error=error, finished_at=now()).where(
                Job.subject_id == session_id, Job.state == "queued"
            ).execute()

    def events(self, call_id: str) -> list[WebhookEvent]:
        """What the inbox holds of a call, oldest first."""
        with unit_of_work(Scope.platform()):
            return list(
                WebhookEvent.select()
                .where(WebhookEvent.call_id == call_id)
                .order_by(WebhookEvent.received_at)
            )

    def session(self, session_id: UUID) -> TrainingSession:
        """A session as stored."""
        with unit_of_work(Scope.platform()):
            session: TrainingSession = TrainingSession.get_by_id(session_id)
            return session

    def row(self) -> Reconciliation:
        """What the last run wrote down."""
        with unit_of_work(Scope.platform()):
            row: Reconciliation = (
                Reconciliation.select().order_by(Reconciliation.started_at.desc()).first()
            )
            return row


def vapi_call(call: Call, *talk: tuple[str, str], ago: timedelta = HOUR, **fields: Any) -> Json:
    """A call as Vapi's list has it, ended `ago`: what its report says, and the call's own fields."""
    report = call.report(*talk)["message"]
    about = report.pop("call")
    moment = iso(now() - ago)
    told = {name: value for name, value in report.items() if name != "type"}
    return {
        **told,
        **about,
        "status": "ended",
        "createdAt": moment,
        "updatedAt": moment,
        "startedAt": moment,
        "endedAt": moment,
        **fields,
    }


def put(vapi: VapiServer, call: Call, *talk: tuple[str, str], **fields: object) -> None:
    """The call is in Vapi's list."""
    told = vapi_call(call, *talk, **fields)
    vapi.add_call(call.id, told.pop("createdAt"), **told)


def practised(practice: Practice, **fields: Any) -> UUID:
    """A session of the rep's with these fields."""
    session_id = practice.session()
    practice.change(session_id, **fields)
    return session_id


def with_job(practice: Practice, session_id, kind: str, state: str, error: str = "") -> None:
    """A job of the session's, in this state."""
    with unit_of_work(practice.scope):
        job_id = enqueue(kind, {"session_id": str(session_id)}, subject_id=session_id)
        Job.update(state=state, last_error=error).where(Job.id == job_id).execute()
