"""An organisation with endpoints, and a worker's runner in the hands of the test."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.support.one_job import OneJobRunner
from tests.support.people import Team

import clozone.notifications.jobs  # noqa: F401 - attaches the handlers
from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs import notices
from clozone.jobs.leases import Leases
from clozone.kit.clock import now
from clozone.models.notifications import (
    NotificationAttempt,
    NotificationDelivery,
    NotificationEndpoint,
)
from clozone.models.operations import Job
from clozone.notifications.events import EventType
from clozone.notifications.signing import new_secret
from clozone.settings import Settings

ALL = [str(event) for event in EventType]


def eventually(holds: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until `holds()` is true, and return what it returned; fails when that does not come."""
    deadline = time.monotonic() + seconds
    while not (result := holds()):
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.02)
    return result


@dataclass
class Office:
    """What a test sees of one organisation's notifications, and what it makes happen."""

    settings: Settings
    team: Team = field(default_factory=Team)

    def __post_init__(self) -> None:
        self._runner = OneJobRunner(
            self.settings, Leases("office", self.settings.job_lease_seconds)
        )

    @property
    def scope(self) -> Scope:
        return Scope.tenant(self.team.org_id)

    def endpoint(self, url: str, **values: Any) -> UUID:
        """A registered endpoint for all events, unless told otherwise."""
        row = {
            "org_id": self.team.org_id,
            "url": url,
            "events": ALL,
            "secret": new_secret(),
            "created_by": self.team.people["admin"],
        }
        with unit_of_work(self.scope):
            return UUID(str(NotificationEndpoint.create(**{**row, **values}).id))

    def change(self, endpoint_id: UUID, **values: Any) -> None:
        """Write columns of an endpoint, as time or others would."""
        with unit_of_work(self.scope):
            NotificationEndpoint.update(**values).where(
                NotificationEndpoint.id == endpoint_id
            ).execute()

    def shown(self, endpoint_id: UUID) -> NotificationEndpoint:
        """The endpoint as it stands."""
        with unit_of_work(self.scope):
            endpoint: NotificationEndpoint = NotificationEndpoint.get_by_id(endpoint_id)
            return endpoint

    def tell(self, event: str = "session.graded", **data: Any) -> None:
        """What the code does in which something happens."""
        with unit_of_work(self.scope):
            notices.tell(event, data)

    def run(self) -> None:
        """Run what is due, and what follows from it and is due at once."""
        while jobs := self.jobs(due=True):
            for job in jobs:
                self._runner.run(job.id)

    def run_one(self, job_id: UUID) -> None:
        """Run this job."""
        self._runner.run(job_id)

    def tell_and_run(self, event: str = "session.graded", **data: Any) -> NotificationDelivery:
        """Tell of an event and make its first attempt; the only delivery."""
        self.tell(event, **data)
        self.run()
        return self.delivery()

    def later(self) -> None:
        """Let what waits be due, and what circuits are open come to their time; then run it."""
        with unit_of_work(self.scope):
            NotificationEndpoint.update(open_until=now()).where(
                NotificationEndpoint.open_until.is_null(False)
            ).execute()
        self.hurry()

    def hurry(self) -> None:
        """Let what waits be due and run it, while circuits stay as they are."""
        with unit_of_work(self.scope):
            Job.update(run_at=Job.created_at).where(
                Job.state.in_(("scheduled", "retrying"))
            ).execute()
            NotificationDelivery.update(next_attempt_at=NotificationDelivery.created_at).where(
                NotificationDelivery.next_attempt_at.is_null(False)
            ).execute()
        self.run()

    def jobs(self, kind: str = "notifications.%", *, due: bool = False) -> list[Job]:
        """The organisation's jobs of these kinds, oldest first."""
        query = Job.select().where(Job.kind**kind)
        if due:
            query = query.where(
                Job.state.in_(("scheduled", "queued", "retrying")), Job.run_at <= now()
            )
        with unit_of_work(self.scope):
            return list(query.order_by(Job.created_at, Job.id))

    def tries(self, kind: str) -> int:
        """How many tries of jobs of this kind the ledger has on record."""
        with unit_of_work(self.scope):
            row = database.execute_sql(
                "SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id"
                " WHERE j.kind = %s AND j.org_id = %s",
                (kind, self.team.org_id),
            ).fetchone()
        return int(row[0])

    def job(self) -> Job:
        """The only job that delivers."""
        (job,) = self.jobs("notifications.deliver")
        return job

    def deliveries(self, **of: Any) -> list[NotificationDelivery]:
        """The deliveries, oldest first."""
        with unit_of_work(self.scope):
            query = NotificationDelivery.select()
            query = query.filter(**of) if of else query
            return list(query.order_by(NotificationDelivery.created_at, NotificationDelivery.id))

    def delivery(self) -> NotificationDelivery:
        """The only delivery."""
        (delivery,) = self.deliveries()
        return delivery

    def attempts(self) -> list[NotificationAttempt]:
        """Every attempt, oldest first."""
        with unit_of_work(self.scope):
            query = NotificationAttempt.select()
            return list(query.order_by(NotificationAttempt.started_at, NotificationAttempt.id))

    def outcomes(self) -> list[tuple[str, str | None, int | None]]:
        """(outcome, error, HTTP status) of every attempt, oldest first."""
        return [(one.outcome, one.error, one.http_status) for one in self.attempts()]
