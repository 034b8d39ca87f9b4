"""Whatever a delivery dies of, it stays in the inbox with the reason, and can be taken up again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
from inbox_probe import Inbox
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, metadata_of

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import control
from clozone.models.operations import Job, WebhookEvent
from clozone.models.training import TrainingSession
from clozone.webhooks.replay import Outcome, plan, replay
from clozone.webhooks.selection import Selection, reasons

TRIES = 3
LOST = 3


@dataclass
class Patient:
    """A delivery that waits to be processed, and what will be in its way."""

    inbox: Inbox
    owner: str
    session_id: UUID
    event_id: UUID

    @property
    def job(self) -> Job:
        """Its latest job."""
        return max(self.inbox.jobs_of(self.event_id), key=lambda job: (job.created_at, job.id))

    @contextmanager
    def broken_code(self) -> Iterator[None]:
        """What the session holds is of no shape that the handler knows: it raises a KeyError."""
        self.set_session(raw_transcript=[{"nobody": "said this"}], status="processing")
        yield
        self.set_session(raw_transcript=None, status="in_progress")

    @contextmanager
    def refusing_database(self) -> Iterator[None]:
        """A constraint that the session violates."""
        with psycopg.connect(self.owner, autocommit=True) as connection:
            connection.execute(
                f"ALTER TABLE training_sessions ADD CONSTRAINT of_this_test "
                f"CHECK (id <> '{self.session_id}') NOT VALID"
            )
            try:
                yield
            finally:
                connection.execute("ALTER TABLE training_sessions DROP CONSTRAINT of_this_test")

    @contextmanager
    def unreadable_body(self) -> Iterator[None]:
        """The stored bytes are no message any more."""
        kept = bytes(self.inbox.event(self.event_id).body)
        self.set_body(b"{")
        yield
        self.set_body(kept)

    @contextmanager
    def poison(self) -> Iterator[None]:
        """It has taken down every worker that touched it."""
        job_id = self.job.id
        with unit_of_work(Scope.platform()):
            Job.update(lost=LOST).where(Job.id == job_id).execute()
        yield

    def set_session(self, **columns: object) -> None:
        with unit_of_work(Scope.platform()):
            TrainingSession.update(**columns).where(TrainingSession.id == self.session_id).execute()

    def set_body(self, body: bytes) -> None:
        with unit_of_work(Scope.platform()):
            WebhookEvent.update(body=body).where(WebhookEvent.id == self.event_id).execute()

    def run_until_it_dies(self) -> None:
        job = self.job
        for _ in range(TRIES):
            if self.inbox.try_once(job) == "dead":
                return
            assert self.inbox.event(self.event_id).state == "received"
        raise AssertionError("it is still alive")


@pytest.fixture
def patient(inbox: Inbox, practice: Practice, environment: dict[str, str]) -> Patient:
    session_id = practice.session()
    event_id = inbox.take(Call(metadata_of(practice, session_id)).report(*TALK))
    return Patient(inbox, environment["DATABASE_MIGRATE_URL"], session_id, event_id)


@pytest.mark.parametrize(
    ("trouble", "reason", "foreseen"),
    [
        (Patient.broken_code, "KeyError: 'speaker'", Outcome.dead),
        (Patient.refusing_database, "IntegrityError: new row for relation", Outcome.dead),
        (Patient.unreadable_body, "BadRequest: The body is not JSON.", Outcome.dead),
        # A trial run has no worker to take down.
        (Patient.poison, "Quarantined: 3 workers", Outcome.processed),
    ],
    ids=["a bug", "the database", "the body", "poison"],
)
def test_it_is_laid_aside_with_the_reason_and_taken_up_again(
    patient: Patient, trouble: Callable[[Patient], object], reason: str, foreseen: Outcome
):
    selection = Selection(ids=(patient.event_id,))
    with trouble(patient):  # type: ignore[attr-defined]
        patient.run_until_it_dies()
        event = patient.inbox.event(patient.event_id)
        assert (event.state, event.reason.startswith(reason)) == ("dead", True)
        with unit_of_work(Scope.platform()):
            assert [group.count for group in reasons(selection)] == [1]
        (forecast,) = plan(selection)
        assert forecast.outcome is foreseen
    assert replay(selection, None).again == [patient.event_id]
    patient.inbox.run([patient.job])
    event = patient.inbox.event(patient.event_id)
    assert (event.state, event.reason, event.session_id) == ("processed", None, patient.session_id)
    assert patient.inbox.session(patient.session_id).status == "processing"


def test_its_job_can_be_cancelled_and_taken_up_again(patient: Patient):
    job_id = patient.job.id
    with unit_of_work(Scope.platform()):
        control.cancel(job_id, "not now")
    event = patient.inbox.event(patient.event_id)
    assert (event.state, event.reason) == ("dead", "not now")
    with unit_of_work(Scope.platform()):
        control.revive(job_id)
    patient.inbox.run([patient.job])
    assert patient.inbox.event(patient.event_id).state == "processed"


def test_a_cancelled_job_leaves_alone_what_another_has_done(patient: Patient):
    first = patient.job.id
    with unit_of_work(Scope.platform()):
        control.cancel(first, "not now")
    replay(Selection(ids=(patient.event_id,)), None)
    patient.inbox.run([patient.job])
    with unit_of_work(Scope.platform()):
        control.revive(first)
    with unit_of_work(Scope.platform()):
        control.cancel(first, "oops")
    event = patient.inbox.event(patient.event_id)
    assert (event.state, event.reason, event.session_id) == ("processed", None, patient.session_id)


def test_a_database_that_is_busy_kills_nothing(patient: Patient):
    """A lock that is waited for in vain is not the delivery's fault."""
    with psycopg.connect(patient.owner) as connection:
        connection.execute("LOCK TABLE training_sessions IN ACCESS EXCLUSIVE MODE")
        assert patient.inbox.try_once(patient.job) == "retrying"
        event = patient.inbox.event(patient.event_id)
        assert (event.state, event.reason) == ("received", None)
        (forecast,) = plan(Selection(ids=(patient.event_id,)))
        assert forecast.outcome is Outcome.unknown
    assert patient.inbox.try_once(patient.job) == "succeeded"
    assert patient.inbox.event(patient.event_id).state == "processed"
