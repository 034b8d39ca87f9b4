"""Cancelling jobs that wait, run or are dead, and taking them up again."""

import threading
from contextlib import suppress
from uuid import UUID

import pytest
from job_probe import Probe, eventually

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs import control, kinds, ledger, reports
from clozone.jobs.kinds import Queue, RunningJob, State
from clozone.kit.errors import Conflict, NotFound, Permanent
from clozone.kit.ids import new_id


def cancel(job_id: UUID, reason: str = "not needed") -> State:
    with unit_of_work(Scope.platform()):
        return control.cancel(job_id, reason)


def revive(job_id: UUID) -> None:
    with unit_of_work(Scope.platform()):
        control.revive(job_id)


class Gate:
    """A handler that waits in the middle of its work."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.entered.set()
        assert self.go_on.wait(20)


def test_a_waiting_job_is_cancelled_at_once_and_who_waits_for_it_is_told(probe: Probe) -> None:
    told: list[str] = []
    probe.attach(after_death=lambda _job, reason: told.append(reason))
    job_id = probe.enqueue()
    assert cancel(job_id) is State.cancelled
    probe.worker().drain()
    row = probe.row(job_id)
    assert (row.state, row.cancel_reason, row.attempt) == ("cancelled", "not needed", 0)
    assert told == ["not needed"]


def test_a_running_job_ends_at_its_checkpoint(probe: Probe) -> None:
    gate, passed, told = Gate(), [], []
    probe.attach(after_death=lambda _job, reason: told.append(reason))

    def handler(job: RunningJob) -> None:
        gate.entered.set()
        while not gate.go_on.wait(0.01):
            job.checkpoint()
        passed.append(job.id)

    probe.handler = handler
    job_id = probe.enqueue()
    worker = probe.worker()
    worker.leases.start()
    thread = worker.start()
    assert gate.entered.wait(20)
    assert cancel(job_id) is State.running
    thread.join(20)
    assert not thread.is_alive()
    assert passed == []
    assert probe.row(job_id).state == "cancelled"
    assert probe.outcomes(job_id) == ["cancelled"]
    assert len(told) == 1
    worker.leases.hand_back()


def test_after_a_cancel_no_effect_commits_even_without_a_checkpoint(probe: Probe) -> None:
    gate, written = Gate(), []

    def handler(job: RunningJob) -> None:
        gate.wait()
        with job.completing():
            written.append(job.id)

    probe.handler = handler
    job_id = probe.enqueue()
    thread = probe.worker().start()
    assert gate.entered.wait(20)
    cancel(job_id)
    gate.go_on.set()
    thread.join(20)
    assert written == []
    assert probe.row(job_id).state == "cancelled"


def test_a_cancelled_job_that_fails_is_not_tried_again(probe: Probe) -> None:
    gate = Gate()

    def handler(_job: RunningJob) -> None:
        gate.wait()
        raise ValueError("broken")

    probe.handler = handler
    job_id = probe.enqueue()
    thread = probe.worker().start()
    assert gate.entered.wait(20)
    cancel(job_id)
    gate.go_on.set()
    thread.join(20)
    assert probe.row(job_id).state == "cancelled"
    assert probe.outcomes(job_id) == ["failed"]


def test_a_cancelled_job_whose_worker_died_is_not_run_by_the_next(probe: Probe) -> None:
    ran: list[int] = []
    probe.handler = lambda job: ran.append(job.attempt)
    job_id = probe.enqueue()
    probe.claim_and_vanish()
    cancel(job_id)
    probe.sweep()
    probe.worker().drain()
    assert ran == []
    assert probe.row(job_id).state == "cancelled"
    assert probe.outcomes(job_id) == ["lost", "cancelled"]


def test_a_cancel_and_a_commit_at_once_have_one_winner(probe: Probe) -> None:
    """Whichever comes first: either the effect is there and the job succeeded, or neither."""
    for _ in range(15):
        written: list[UUID] = []

        def handler(job: RunningJob, written: list[UUID] = written) -> None:
            with job.completing():
                database.execute_sql("SELECT pg_sleep(0.005)")
            written.append(job.id)

        probe.handler = handler
        job_id = probe.enqueue()
        thread = probe.worker().start()
        eventually(lambda job_id=job_id: probe.row(job_id).attempt == 1)
        with suppress(Conflict):
            cancel(job_id)
        thread.join(20)
        state = probe.row(job_id).state
        assert (state, written) in (("succeeded", [job_id]), ("cancelled", []))


def test_what_has_ended_cannot_be_cancelled(probe: Probe) -> None:
    job_id = probe.enqueue()
    probe.worker().drain()
    with pytest.raises(Conflict, match="succeeded"):
        cancel(job_id)
    with pytest.raises(NotFound):
        cancel(new_id())


def test_a_dead_job_is_taken_up_again_with_all_its_attempts(probe: Probe) -> None:
    told: list[str] = []
    probe.attach(
        after_death=lambda _job, _reason: told.append("dead"),
        before_revival=lambda _job: told.append("alive"),
    )
    broken = [True]

    def handler(_job: RunningJob) -> None:
        if broken[0]:
            raise Permanent("the rubric is gone")

    probe.handler = handler
    job_id = probe.enqueue()
    probe.worker().drain()
    assert probe.row(job_id).state == "dead"
    broken[0] = False
    revive(job_id)
    row = probe.row(job_id)
    assert (row.state, row.failures, row.finished_at) == ("queued", 0, None)
    probe.worker().drain()
    assert probe.row(job_id).state == "succeeded"
    assert probe.outcomes(job_id) == ["failed", "succeeded"]
    assert told == ["dead", "alive"]


def test_a_revival_that_is_refused_changes_nothing(probe: Probe) -> None:
    def refuse(_job: RunningJob) -> None:
        raise Conflict("what it needs is gone")

    def handler(_job: RunningJob) -> None:
        raise Permanent("no")

    probe.attach(before_revival=refuse)
    probe.handler = handler
    job_id = probe.enqueue()
    with pytest.raises(Conflict, match="queued"):
        revive(job_id)
    probe.worker().drain()
    with pytest.raises(Conflict, match="gone"):
        revive(job_id)
    assert probe.row(job_id).state == "dead"


def test_a_dead_job_stays_dead_while_another_does_its_work(probe: Probe) -> None:
    def handler(_job: RunningJob) -> None:
        raise Permanent("no")

    probe.handler = handler
    dead = probe.enqueue(dedupe_key="same")
    probe.worker().drain()
    probe.enqueue(dedupe_key="same")
    with pytest.raises(Conflict, match="same key"):
        revive(dead)


def test_dead_letters_are_grouped_by_what_they_died_of(probe: Probe) -> None:
    def handler(job: RunningJob) -> None:
        raise Permanent(f"no rubric for call {job.payload['call']}")

    probe.handler = handler
    jobs = [probe.enqueue({"call": number}) for number in range(3)]
    probe.worker().drain()
    with unit_of_work(Scope.platform()):
        groups = [group for group in reports.dead_letters() if group.kind == probe.kind]
        alike = reports.listed(states=[State.dead], fingerprint=groups[0].fingerprint)
    assert [group.jobs for group in groups] == [3]
    assert {job.id for job in alike} == set(jobs)


def test_a_job_cancelled_while_its_worker_stops_is_cancelled_and_told(probe: Probe) -> None:
    gate, told = Gate(), []
    probe.attach(after_death=lambda _job, reason: told.append(reason))
    probe.handler = lambda _job: gate.wait()
    job_id = probe.enqueue()
    worker = probe.worker()
    thread = worker.start()
    assert gate.entered.wait(20)
    cancel(job_id)
    worker.leases.hand_back()
    assert probe.row(job_id).state == "cancelled"
    assert len(told) == 1
    gate.go_on.set()
    thread.join(20)
    assert len(told) == 1


def test_a_cancelled_job_of_a_group_ends_with_its_group(probe: Probe) -> None:
    written: list[int] = []

    def handler(job: RunningJob) -> None:
        with job.completing():
            written.append(job.payload["n"])

    probe.handler = handler
    probe.attach("test.grouped", turn=10)
    ids = [probe.enqueue({"n": n}, kind="test.grouped") for n in range(3)]
    claims = ledger.claim_turn(Queue.bulk, kinds.runnable(Queue.bulk), None, "worker-1", 60)
    cancel(ids[1])
    probe.worker().runner.perform(claims)
    assert written == [0, 2]
    assert [probe.row(job_id).state for job_id in ids] == ["succeeded", "cancelled", "succeeded"]
    assert probe.outcomes(ids[1]) == ["cancelled"]
