"""Cancelling and taking up again, where the past, a race or a wrong clock is in the way."""

import sys
import threading
from datetime import timedelta
from uuid import UUID

import pytest
from job_probe import Probe, eventually

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs import control, controls
from clozone.jobs.delivery import delivery
from clozone.jobs.enqueue import enqueue
from clozone.jobs.kinds import Queue, RunningJob
from clozone.kit import clock
from clozone.kit.errors import Conflict, Permanent
from clozone.models.operations import JobControl

WORKERS_THAT_POISON_TAKES_DOWN = 3


def cancel(job_id: UUID) -> None:
    with unit_of_work(Scope.platform()):
        control.cancel(job_id, "not needed")


def revive(job_id: UUID) -> None:
    with unit_of_work(Scope.platform()):
        control.revive(job_id)


def die(_job: RunningJob) -> None:
    raise Permanent("no")


def test_who_was_told_of_the_death_is_not_told_of_the_cancel(probe: Probe) -> None:
    told: list[str] = []
    probe.attach(after_death=lambda _job, reason: told.append(reason))
    probe.handler = die
    job_id = probe.enqueue()
    probe.worker().drain()
    assert len(told) == 1
    cancel(job_id)
    assert probe.row(job_id).state == "cancelled"
    assert len(told) == 1


def test_the_suspicion_of_poison_ends_when_an_operator_takes_it_up_again(probe: Probe) -> None:
    job_id = probe.enqueue()
    for _ in range(WORKERS_THAT_POISON_TAKES_DOWN):
        probe.claim_and_vanish()
        probe.sweep()
    cancel(job_id)
    revive(job_id)
    probe.worker().drain()
    assert probe.row(job_id).state == "succeeded"


def test_another_of_the_same_key_that_is_about_to_commit(probe: Probe) -> None:
    probe.handler = die
    dead = probe.enqueue(dedupe_key="same")
    probe.worker().drain()
    added, commit = threading.Event(), threading.Event()

    def add() -> None:
        with unit_of_work(Scope.tenant(probe.org_id)):
            enqueue(probe.kind, {}, dedupe_key="same")
            added.set()
            commit.wait(20)

    refused: list[Conflict] = []

    def take_up() -> None:
        try:
            revive(dead)
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=each) for each in (add, take_up)]
    threads[0].start()
    assert added.wait(20)
    threads[1].start()
    eventually(somebody_waits)
    commit.set()
    for thread in threads:
        thread.join(20)
    assert [error.detail for error in refused] == [
        "Another job of the same key is under way; it does the same work."
    ]
    assert probe.row(dead).state == "dead"


def somebody_waits() -> bool:
    with unit_of_work(Scope.platform()):
        (waiting,) = database.execute_sql(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
        ).fetchone()
        return bool(waiting)


def test_the_clock_of_the_process_does_not_matter(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = clock.now
    for name, module in list(sys.modules.items()):
        if name.startswith("clozone.") and getattr(module, "now", None) is right:
            monkeypatch.setattr(module, "now", lambda: right() + timedelta(days=1))
    cancelled, revived = probe.enqueue(), probe.enqueue()
    for job_id in (cancelled, revived):
        cancel(job_id)
    revive(revived)
    with unit_of_work(Scope.platform()):
        controls.limit(probe.kind, 1)
        said = JobControl.get_by_id(probe.kind)
    row = probe.row(cancelled)
    times = [row.finished_at, row.cancel_requested_at, probe.row(revived).run_at, said.updated_at]
    assert max(times) <= right()


def test_who_waits_is_woken_when_the_pause_is_over(probe: Probe) -> None:
    with unit_of_work(Scope.platform()):
        controls.pause("bulk", "for a moment")
    probe.enqueue()
    delivery().forget_everything()
    with unit_of_work(Scope.platform()):
        controls.resume("bulk")
    assert delivery().backlog(Queue.bulk) > 0
