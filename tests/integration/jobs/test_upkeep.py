"""Work that comes back, and the ledger's own upkeep."""

import gzip
import json
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from job_probe import Probe

from clozone.infra.object_storage import init_object_storage, object_storage
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import archive, control, kinds, recurring
from clozone.jobs.kinds import Kind, Queue, RunningJob, State
from clozone.jobs.recurring import Recurring, enqueue_recurring
from clozone.kit.clock import now
from clozone.kit.errors import Permanent
from clozone.models.operations import Job, JobAttempt, RecurringJob


@pytest.fixture
def every_hour(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> str:
    """The probe's kind, each hour."""
    monkeypatch.setattr(
        recurring, "RECURRING", (Recurring(probe.kind, lambda _: 3600, lambda _: {"a": 1}),)
    )
    with unit_of_work(Scope.platform()):
        RecurringJob.delete().where(RecurringJob.name == probe.kind).execute()
    return probe.kind


def of_kind(kind: str) -> list[Job]:
    with unit_of_work(Scope.platform()):
        return list(Job.select().where(Job.kind == kind).order_by(Job.created_at))


def come_back(kind: str, ago: timedelta) -> None:
    with unit_of_work(Scope.platform()):
        RecurringJob.update(next_at=now() - ago).where(RecurringJob.name == kind).execute()


def test_two_schedulers_enqueue_what_is_due_once(probe: Probe, every_hour: str) -> None:
    schedulers = [
        threading.Thread(target=enqueue_recurring, args=(probe.settings,)) for _ in range(4)
    ]
    for scheduler in schedulers:
        scheduler.start()
    for scheduler in schedulers:
        scheduler.join(20)
    (job,) = of_kind(every_hour)
    assert job.payload == {"a": 1}
    enqueue_recurring(probe.settings)
    assert len(of_kind(every_hour)) == 1


def test_of_the_times_that_were_missed_one_is_made_up_for(probe: Probe, every_hour: str) -> None:
    enqueue_recurring(probe.settings)
    probe.worker().drain()
    come_back(every_hour, timedelta(days=3))
    for _ in range(3):
        enqueue_recurring(probe.settings)
        probe.worker().drain()
    assert len(of_kind(every_hour)) == 2
    with unit_of_work(Scope.platform()):
        assert RecurringJob.get_by_id(every_hour).next_at > now()


def test_while_the_last_one_is_unfinished_none_is_added(probe: Probe, every_hour: str) -> None:
    enqueue_recurring(probe.settings)
    come_back(every_hour, timedelta(0))
    enqueue_recurring(probe.settings)
    assert len(of_kind(every_hour)) == 1


def archived(keys: list[str]) -> list[dict[str, Any]]:
    lines = [gzip.decompress(object_storage().get(key)).splitlines() for key in keys]
    return [json.loads(line) for part in lines for line in part]


def test_finished_jobs_leave_the_ledger_for_the_archive_when_their_time_is_over(
    probe: Probe,
) -> None:
    init_object_storage(probe.settings)
    kinds.KINDS["test.archive"] = Kind("test.archive", Queue.bulk)
    kinds.job("test.archive")(archive.archive_finished)
    runs: list[UUID] = []

    def handler(job: RunningJob) -> None:
        runs.append(job.id)

    probe.handler = handler
    ids = [probe.enqueue({"n": n}) for n in range(6)]
    probe.worker().drain()
    ages = {ids[0]: 31, ids[1]: 31, ids[2]: 29, ids[3]: 91, ids[4]: 89}
    with unit_of_work(Scope.platform()):
        for job_id, days in ages.items():
            Job.update(finished_at=now() - timedelta(days=days)).where(Job.id == job_id).execute()
        Job.update(state=State.dead).where(Job.id.in_(ids[3:5])).execute()
        probe_run = {"keep_days": 30, "keep_dead_days": 90, "archive": True}
    keeper = probe.enqueue(probe_run, kind="test.archive")
    probe.worker().drain()

    assert probe.row(keeper).state == "succeeded", probe.row(keeper).last_error
    with unit_of_work(Scope.platform()):
        left = {job.id for job in Job.select(Job.id).where(Job.id.in_(ids))}
        tries = {row.job_id for row in JobAttempt.select().where(JobAttempt.job_id.in_(ids))}
    gone = {ids[0], ids[1], ids[3]}
    assert left == set(ids) - gone
    assert tries == left
    found = {row["id"]: row for row in archived(probe.row(keeper).result["objects"])}
    assert {str(job_id) for job_id in gone} <= found.keys()
    assert not {str(job_id) for job_id in left} & found.keys()
    assert found[str(ids[0])]["tries"][0]["outcome"] == "succeeded"


def test_what_is_taken_up_again_while_it_is_archived_stays(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    init_object_storage(probe.settings)
    kinds.KINDS["test.archive"] = Kind("test.archive", Queue.bulk)
    kinds.job("test.archive")(archive.archive_finished)

    def broken(_job: RunningJob) -> None:
        raise Permanent("no")

    probe.handler = broken
    old = probe.enqueue()
    probe.worker().drain()
    with unit_of_work(Scope.platform()):
        Job.update(finished_at=now() - timedelta(days=91)).where(Job.id == old).execute()
    store = archive._store

    def revived_meanwhile(batch: list[dict[str, Any]]) -> str:
        with unit_of_work(Scope.platform()):
            control.revive(old)
        return store(batch)

    monkeypatch.setattr(archive, "_store", revived_meanwhile)
    probe.handler = lambda _job: None
    keeper = probe.enqueue(
        {"keep_days": 30, "keep_dead_days": 90, "archive": True}, kind="test.archive"
    )
    probe.worker().drain()
    assert probe.row(keeper).state == "succeeded"
    assert probe.row(old).state == "succeeded"


def test_what_cannot_be_archived_is_not_deleted(probe: Probe) -> None:
    broken = probe.settings.model_copy(update={"s3_bucket": "there-is-no-such-bucket"})
    init_object_storage(broken)
    try:
        kinds.KINDS["test.archive"] = Kind("test.archive", Queue.bulk, max_attempts=1)
        kinds.job("test.archive")(archive.archive_finished)
        old = probe.enqueue()
        probe.worker().drain()
        with unit_of_work(Scope.platform()):
            Job.update(finished_at=now() - timedelta(days=40)).where(Job.id == old).execute()
        keeper = probe.enqueue(
            {"keep_days": 30, "keep_dead_days": 90, "archive": True}, kind="test.archive"
        )
        probe.worker().drain()
        assert probe.row(keeper).state == "dead"
        assert probe.row(old).state == "succeeded"
    finally:
        init_object_storage(probe.settings)
