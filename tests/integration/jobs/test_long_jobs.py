"""Jobs that take long: their time is limited, their progress told, their worker watched."""

import threading

from job_probe import Probe, eventually

from clozone.jobs import leases
from clozone.jobs.kinds import RunningJob


def test_a_try_that_takes_too_long_has_failed_and_writes_nothing_later(probe: Probe) -> None:
    go_on, written = threading.Event(), []
    probe.attach(timeout_seconds=0.3, max_attempts=1)

    def handler(job: RunningJob) -> None:
        go_on.wait(20)
        with job.completing():
            written.append(job.id)

    probe.handler = handler
    job_id = probe.enqueue()
    worker = probe.worker()
    worker.leases.start(worker.runner.time_out)
    thread = worker.start()
    eventually(lambda: probe.row(job_id).state == "dead")
    go_on.set()
    thread.join(20)
    assert written == []
    assert "took longer than" in probe.row(job_id).last_error
    assert probe.outcomes(job_id) == ["failed"]
    worker.leases.hand_back()


def test_a_checkpoint_ends_what_ran_too_long_and_it_is_tried_again(probe: Probe) -> None:
    never = threading.Event()
    probe.attach(timeout_seconds=0.3)

    def handler(job: RunningJob) -> None:
        while job.attempt == 1 and not never.wait(0.01):
            job.checkpoint()

    probe.handler = handler
    job_id = probe.enqueue()
    worker = probe.worker()
    worker.leases.start(worker.runner.time_out)
    thread = worker.start()
    thread.join(20)
    assert not thread.is_alive()
    eventually(lambda: probe.row(job_id).state == "retrying")
    probe.make_due(job_id)
    worker.drain()
    assert probe.row(job_id).state == "succeeded"
    worker.leases.hand_back()


def test_a_job_without_a_limit_may_take_as_long_as_it_likes(probe: Probe) -> None:
    probe.attach(timeout_seconds=None)
    entered, go_on = threading.Event(), threading.Event()

    def handler(_job: RunningJob) -> None:
        entered.set()
        go_on.wait(20)

    probe.handler = handler
    job_id = probe.enqueue()
    worker = probe.worker()
    worker.leases.start(worker.runner.time_out)
    thread = worker.start()
    assert entered.wait(20)
    first = probe.row(job_id).lease_expires_at
    eventually(lambda: probe.row(job_id).lease_expires_at > first)
    go_on.set()
    thread.join(20)
    assert probe.row(job_id).state == "succeeded"
    worker.leases.hand_back()


def test_a_handler_that_does_not_come_back_is_noticed(probe: Probe, monkeypatch) -> None:
    monkeypatch.setattr(leases, "STUCK_AFTER_SECONDS", 0.2)
    go_on = threading.Event()
    probe.attach(timeout_seconds=0.1)
    probe.handler = lambda _job: go_on.wait(20)  # type: ignore[assignment,return-value]
    job_id = probe.enqueue()
    worker = probe.worker()
    worker.leases.start(worker.runner.time_out)
    thread = worker.start()
    eventually(lambda: [job.id for job in worker.leases.stuck()] == [job_id])
    go_on.set()
    thread.join(20)
    assert worker.leases.stuck() == []
    worker.leases.hand_back()


def test_progress_is_shown_while_it_runs(probe: Probe) -> None:
    go_on = threading.Event()

    def handler(job: RunningJob) -> None:
        job.tell_progress(3, 10, "calls read")
        go_on.wait(20)

    probe.handler = handler
    job_id = probe.enqueue()
    worker = probe.worker()
    worker.leases.start()
    thread = worker.start()
    eventually(lambda: probe.row(job_id).progress is not None)
    assert probe.row(job_id).progress == {"done": 3, "total": 10, "note": "calls read"}
    go_on.set()
    thread.join(20)
    worker.leases.hand_back()


def test_a_job_past_its_time_whose_row_is_locked_costs_no_other_its_lease(probe: Probe) -> None:
    go_on = threading.Event()
    probe.attach("test.short", timeout_seconds=0.2)
    probe.handler = lambda _job: _wait(go_on)
    late, other = probe.enqueue(kind="test.short"), probe.enqueue()
    worker = probe.worker(lease=1.5)
    threads = [worker.start(), worker.start()]
    eventually(lambda: {probe.row(job_id).state for job_id in (late, other)} == {"running"})
    with probe.lock(late):
        worker.leases.start(worker.runner.time_out)
        seen: set[object] = set()
        eventually(lambda: seen.add(probe.row(other).lease_expires_at) or len(seen) > 3)
    eventually(lambda: probe.row(late).state == "retrying")
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert probe.row(other).state == "succeeded"
    worker.leases.hand_back()


def _wait(event: threading.Event) -> None:
    event.wait(20)
