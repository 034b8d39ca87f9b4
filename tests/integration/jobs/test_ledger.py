import threading
import time
from typing import Any
from uuid import UUID

import pytest
from job_probe import Probe, eventually
from peewee import OperationalError

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs import ending, kinds, ledger, sweeper
from clozone.jobs import enqueue as enqueue_module
from clozone.jobs.delivery import delivery
from clozone.jobs.enqueue import enqueue
from clozone.jobs.failures import POISON_AFTER
from clozone.jobs.kinds import Queue, RunningJob
from clozone.jobs.runner import MOST_ATTEMPTS
from clozone.jobs.running import Running
from clozone.jobs.sweeper import Sweeper
from clozone.kit.errors import Permanent, Postponed, Retryable
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization
from clozone.models.operations import Job


def test_effects_and_completion_commit_together(probe: Probe) -> None:
    made = new_id()

    def handler(job: RunningJob) -> None:
        with job.completing():
            enqueue(probe.kind, {}, dedupe_key=str(made))
            if job.attempt == 1:
                raise RuntimeError("after the effect, before the commit")

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    assert probe.row(job_id).state == "retrying"
    with unit_of_work(Scope.platform()):
        assert not Job.select().where(Job.dedupe_key == str(made)).exists()

    probe.make_due(job_id)
    probe.worker().run()
    assert probe.row(job_id).state == "succeeded"
    with unit_of_work(Scope.platform()):
        assert Job.select().where(Job.dedupe_key == str(made)).count() == 1


def test_a_rolled_back_transaction_announces_nothing(probe: Probe) -> None:
    with pytest.raises(RuntimeError, match="no"), unit_of_work(Scope.tenant(probe.org_id)):
        enqueue(probe.kind, {})
        raise RuntimeError("no")
    assert delivery().backlog(Queue.bulk) == 0


def test_a_job_is_claimed_once_however_often_it_is_delivered(probe: Probe) -> None:
    runs: list[int] = []
    probe.handler = lambda job: runs.append(job.attempt)
    job_id = probe.enqueue()
    threads = [probe.worker(f"worker-{n}").start() for n in range(6)]
    for thread in threads:
        thread.join(20)
    assert runs == [1]
    assert probe.row(job_id).state == "succeeded"


def test_failures_are_retried_with_growing_waits_then_given_up(
    probe: Probe,
) -> None:
    told: list[str] = []
    probe.attach(after_death=lambda _job, reason: told.append(reason))

    def handler(_job: RunningJob) -> None:
        raise ValueError("broken 42")

    probe.handler = handler
    job_id = probe.enqueue()
    waits = []
    for _ in range(3):
        probe.worker().run()
        row = probe.row(job_id)
        waits.append((row.run_at - row.created_at).total_seconds())
        probe.make_due(job_id)
    assert row.state == "dead"
    assert row.failures == 3
    assert row.last_error == "ValueError: broken 42"
    assert waits[1] > waits[0] >= 2
    assert told == ["ValueError: broken 42"]
    assert probe.outcomes(job_id) == ["failed"] * 3


def test_a_retryable_error_says_how_long_to_wait(probe: Probe) -> None:
    def handler(_job: RunningJob) -> None:
        raise Retryable("come back later", after=120)

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    row = probe.row(job_id)
    assert (row.run_at - row.created_at).total_seconds() >= 120


def test_a_permanent_error_is_not_retried(probe: Probe) -> None:
    def handler(_job: RunningJob) -> None:
        raise Permanent("the rubric is gone")

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    assert probe.row(job_id).state == "dead"


def test_the_fence_stops_a_worker_that_lost_its_lease(probe: Probe) -> None:
    entered, go_on = threading.Event(), threading.Event()
    written: list[int] = []

    def handler(job: RunningJob) -> None:
        if job.attempt == 1:
            entered.set()
            go_on.wait(20)
        with job.completing():
            written.append(job.attempt)

    probe.handler = handler
    job_id = probe.enqueue()
    slow = probe.worker("slow").start()
    assert entered.wait(20)
    probe.expire_lease(job_id)
    probe.sweep()
    probe.worker("quick").run()
    go_on.set()
    slow.join(20)
    assert written == [2]
    assert probe.row(job_id).state == "succeeded"
    assert probe.outcomes(job_id) == ["lost", "succeeded"]


def test_a_heartbeat_keeps_the_lease_of_a_long_job(probe: Probe) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def handler(_job: RunningJob) -> None:
        entered.set()
        go_on.wait(20)

    probe.handler = handler
    job_id = probe.enqueue()
    worker = probe.worker()
    worker.leases.start()
    thread = worker.start()
    assert entered.wait(20)
    first = probe.row(job_id).lease_expires_at
    eventually(lambda: probe.row(job_id).lease_expires_at > first)
    go_on.set()
    thread.join(20)
    assert probe.row(job_id).state == "succeeded"
    assert probe.outcomes(job_id) == ["succeeded"]


def test_a_job_that_takes_its_workers_down_is_quarantined(probe: Probe) -> None:
    runs: list[int] = []
    probe.handler = lambda job: runs.append(job.attempt)
    job_id = probe.enqueue()
    for _ in range(POISON_AFTER):
        probe.claim_and_vanish()
        probe.sweep()
    probe.worker().run()
    row = probe.row(job_id)
    assert runs == []
    assert row.state == "dead"
    assert row.last_error.startswith("Quarantined: 3 workers")


def test_a_try_that_ended_clears_a_job_of_the_suspicion(probe: Probe) -> None:
    def handler(job: RunningJob) -> None:
        if job.attempt < 2 * POISON_AFTER:
            raise Postponed("not yet", after=60)

    probe.handler = handler
    job_id = probe.enqueue()
    for _ in range(POISON_AFTER):
        probe.claim_and_vanish()
        probe.sweep()
        probe.worker().run()
        probe.make_due(job_id)
    assert probe.row(job_id).state == "succeeded"


def test_stopping_hands_back_without_counting_a_failure(probe: Probe) -> None:
    entered, go_on = threading.Event(), threading.Event()
    written: list[int] = []

    def handler(job: RunningJob) -> None:
        if job.attempt == 1:
            entered.set()
            go_on.wait(20)
        with job.completing():
            written.append(job.attempt)

    probe.handler = handler
    job_id = probe.enqueue()
    stopping = probe.worker("stopping")
    thread = stopping.start()
    assert entered.wait(20)
    stopping.leases.hand_back()
    row = probe.row(job_id)
    assert (row.state, row.failures, row.lost) == ("queued", 0, 0)
    probe.worker("next").run()
    go_on.set()
    thread.join(20)
    assert written == [2]
    assert probe.outcomes(job_id) == ["released", "succeeded"]


def test_what_redis_lost_is_announced_again(probe: Probe) -> None:
    job_id = probe.enqueue()
    delivery().forget_everything()
    assert delivery().backlog(Queue.bulk) == 0
    probe.sweep()
    assert delivery().backlog(Queue.bulk) >= 1
    probe.worker().run()
    assert probe.row(job_id).state == "succeeded"


def test_two_sweepers_at_once_put_a_job_back_once(probe: Probe) -> None:
    job_id = probe.enqueue()
    probe.claim_and_vanish()
    sweepers = [threading.Thread(target=probe.sweep) for _ in range(4)]
    for thread in sweepers:
        thread.start()
    for thread in sweepers:
        thread.join(20)
    assert probe.row(job_id).lost == 1


def test_an_unfinished_job_of_the_same_key_is_returned(probe: Probe) -> None:
    first = probe.enqueue(dedupe_key="session-1")
    assert probe.enqueue(dedupe_key="session-1") == first
    probe.worker().run()
    assert probe.enqueue(dedupe_key="session-1") != first


def test_equal_keys_of_two_organisations_do_not_meet(probe: Probe, org_id: UUID) -> None:
    other = new_id()
    with unit_of_work(Scope.platform()):
        Organization.create(id=other, name="Other")
    mine = probe.enqueue(dedupe_key="same")
    with unit_of_work(Scope.tenant(other)):
        theirs = enqueue(probe.kind, {}, dedupe_key="same")
    assert theirs != mine


def test_a_failure_is_told_without_the_data_that_it_quotes(probe: Probe) -> None:
    def handler(_job: RunningJob) -> None:
        raise ValueError("duplicate key\nDETAIL:  Key (email)=(dana@example.com) already exists.")

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    assert probe.row(job_id).last_error == "ValueError: duplicate key"


def test_what_the_database_is_to_blame_for_is_no_failure(probe: Probe) -> None:
    def handler(job: RunningJob) -> None:
        if job.attempt == 1:
            with job.completing():
                database.execute_sql("SET LOCAL statement_timeout = 1")
                database.execute_sql("SELECT pg_sleep(1)")

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    row = probe.row(job_id)
    assert (row.state, row.failures) == ("retrying", 0)
    probe.make_due(job_id)
    probe.worker().run()
    assert probe.row(job_id).state == "succeeded"
    assert probe.outcomes(job_id) == ["released", "succeeded"]


def test_a_job_that_cannot_begin_yet_waits_without_a_failure(probe: Probe) -> None:
    def handler(_job: RunningJob) -> None:
        raise Postponed("the budget is full", after=3_600)

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    row = probe.row(job_id)
    assert (row.state, row.failures, row.last_error) == ("retrying", 0, "the budget is full")
    assert (row.run_at - row.created_at).total_seconds() >= 3_600


def test_who_cannot_be_told_does_not_keep_a_job_from_its_end(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "TELL_AGAIN_SECONDS", (0.01,))

    def refuse(_job: RunningJob, _reason: str) -> None:
        raise ValueError("nobody is there")

    def handler(_job: RunningJob) -> None:
        raise Permanent("the rubric is gone")

    probe.attach(after_death=refuse)
    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    row = probe.row(job_id)
    assert (row.state, row.last_error) == ("dead", "Permanent: the rubric is gone")


def test_who_is_busy_is_told_a_moment_later(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "TELL_AGAIN_SECONDS", (0.01,))
    told: list[str] = []

    def busy_at_first(_job: RunningJob, reason: str) -> None:
        told.append(reason)
        if len(told) == 1:
            raise OperationalError("canceling statement due to lock timeout")

    def handler(_job: RunningJob) -> None:
        raise Permanent("the rubric is gone")

    probe.attach(after_death=busy_at_first)
    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    assert len(told) == 2
    assert probe.row(job_id).state == "dead"


def test_what_the_database_is_to_blame_for_counts_in_the_end(probe: Probe) -> None:
    def handler(_job: RunningJob) -> None:
        raise OperationalError("the connection is lost")

    probe.handler = handler
    job_id = probe.enqueue()
    with unit_of_work(Scope.platform()):
        Job.update(attempt=MOST_ATTEMPTS - 2).where(Job.id == job_id).execute()
    probe.worker().run()
    assert probe.row(job_id).failures == 0
    probe.make_due(job_id)
    probe.worker().run()
    assert probe.row(job_id).failures == 1


def test_a_wait_that_was_asked_for_has_a_bound(probe: Probe) -> None:
    def handler(_job: RunningJob) -> None:
        raise Retryable("come back next century", after=3e9)

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().run()
    row = probe.row(job_id)
    assert (row.run_at - row.created_at).days <= 1


def test_one_locked_job_does_not_keep_the_others_leases_from_being_extended(probe: Probe) -> None:
    ids = [probe.enqueue() for _ in range(2)]
    claims = [
        claim
        for _ in ids
        for claim in ledger.claim_turn(Queue.bulk, kinds.runnable(Queue.bulk), None, "w", 1)
    ]
    locked = probe.lock(claims[0].id)
    before = probe.row(claims[1].id).lease_expires_at
    with locked, unit_of_work(Scope.platform()):
        ledger.extend_leases(claims, 3_600, {})
    assert probe.row(claims[1].id).lease_expires_at > before


def test_one_locked_job_does_not_keep_the_others_from_being_handed_back(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "TELL_AGAIN_SECONDS", ())
    ids = [probe.enqueue() for _ in range(3)]
    worker = probe.worker(lease=60)
    jobs = [
        Running(claim)
        for _ in ids
        for claim in ledger.claim_turn(Queue.bulk, kinds.runnable(Queue.bulk), None, "w", 60)
    ]
    worker.leases.hold(jobs)
    with probe.lock(jobs[0].id):
        worker.leases.hand_back()
    assert [probe.row(job.id).state for job in jobs] == ["running", "queued", "queued"]


def test_after_a_start_of_the_server_workers_have_time_to_be_heard(probe: Probe) -> None:
    job_id = probe.enqueue()
    probe.claim_and_vanish()
    Sweeper(lease=1e7).sweep()
    assert probe.row(job_id).state == "running"
    probe.sweep()
    assert probe.row(job_id).state == "queued"


def test_leases_count_as_extended_by_the_time_that_the_server_was_away(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "ABSENCE_SECONDS", 0.3)
    watcher = Sweeper(lease=0.1)
    watcher.sweep()
    job_id = probe.enqueue()
    probe.claim_and_vanish()
    time.sleep(0.5)  # nobody could reach the server
    watcher.sweep()
    assert probe.row(job_id).state == "running"
    eventually(lambda: watcher.sweep() or probe.row(job_id).state == "queued")


def test_a_key_that_is_free_again_when_it_is_looked_up_gets_a_job_of_its_own(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = probe.enqueue(dedupe_key="same")
    look_up = enqueue_module._unfinished

    def finished_meanwhile(*args: Any) -> UUID | None:
        Job.update(state="succeeded").where(Job.id == first).execute()
        return look_up(*args)

    monkeypatch.setattr(enqueue_module, "_unfinished", finished_meanwhile)
    second = probe.enqueue(dedupe_key="same")
    assert second != first
    assert probe.row(second).state == "queued"
