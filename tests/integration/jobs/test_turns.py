"""Whose turn it is: fairness between organisations, priorities, limits, pauses, groups."""

import threading
from collections import Counter
from uuid import UUID

import psycopg
import pytest
from job_probe import Probe

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs import controls, kinds, ledger, reports
from clozone.jobs.enqueue import Order, enqueue_many
from clozone.jobs.kinds import Queue, RunningJob, State
from clozone.kit.clock import now
from clozone.kit.errors import BadRequest
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization
from clozone.models.operations import Job


@pytest.fixture
def others(org_id: UUID) -> list[UUID]:
    """Further organisations."""
    made = [new_id() for _ in range(3)]
    with unit_of_work(Scope.platform()):
        for other in made:
            Organization.create(id=other, name="Other")
    return made


def fill(probe: Probe, org_id: UUID, jobs: int, kind: str | None = None) -> list[UUID]:
    with unit_of_work(Scope.tenant(org_id)):
        return enqueue_many(kind or probe.kind, [Order({"n": n}) for n in range(jobs)])


def take(after: UUID | None = None, worker: str = "w", lease: float = 60) -> list[ledger.Claim]:
    return ledger.claim_turn(Queue.bulk, kinds.runnable(Queue.bulk), after, worker, lease)


def test_ten_thousand_jobs_of_one_do_not_delay_one_of_another(
    probe: Probe, org_id: UUID, others: list[UUID]
) -> None:
    ran: list[UUID | None] = []
    probe.handler = lambda job: ran.append(job.org_id)
    fill(probe, org_id, 10_000)
    worker = probe.worker()
    worker.run(3)
    late = probe.enqueue(org_id=others[0])
    worker.run(2)
    assert ran[:3] == [org_id] * 3
    assert others[0] in ran[3:]
    assert probe.row(late).state == "succeeded"


def test_each_organisation_has_its_turn_in_every_lap(
    probe: Probe, org_id: UUID, others: list[UUID]
) -> None:
    ran: list[UUID | None] = []
    probe.handler = lambda job: ran.append(job.org_id)
    for owner, jobs in ((org_id, 40), (others[0], 5), (others[1], 7), (others[2], 3)):
        fill(probe, owner, jobs)
    probe.worker().run(12)
    assert set(Counter(ran).values()) == {3}


def test_the_platform_s_own_jobs_have_turns_too(probe: Probe, org_id: UUID) -> None:
    ran: list[UUID | None] = []
    probe.handler = lambda job: ran.append(job.org_id)
    fill(probe, org_id, 5)
    with unit_of_work(Scope.platform()):
        enqueue_many(probe.kind, [Order({}) for _ in range(5)])
    probe.worker().run(6)
    assert Counter(ran) == {org_id: 3, None: 3}


def test_priority_orders_an_organisation_s_own_jobs_and_overtakes_nobody_else(
    probe: Probe, org_id: UUID, others: list[UUID]
) -> None:
    ran: list[tuple[UUID | None, str]] = []
    probe.handler = lambda job: ran.append((job.org_id, job.payload["name"]))
    probe.attach("test.urgent", priority=50)
    probe.enqueue({"name": "plain"})
    probe.enqueue({"name": "low"}, priority=-5)
    probe.enqueue({"name": "high"}, priority=5)
    probe.enqueue({"name": "urgent kind"}, kind="test.urgent")
    probe.enqueue({"name": "other"}, org_id=others[0], priority=-100)
    probe.worker().drain()
    assert [name for owner, name in ran if owner == org_id] == [
        "urgent kind",
        "high",
        "plain",
        "low",
    ]
    assert (others[0], "other") in ran[:2]


def test_a_kind_that_this_process_does_not_know_is_left_to_others(probe: Probe) -> None:
    probe.attach("test.new")
    job_id = probe.enqueue(kind="test.new")
    del kinds._attached["test.new"]
    probe.worker().drain()
    assert probe.row(job_id).state == "queued"


def test_at_most_so_many_of_a_kind_run_at_once_however_many_ask(probe: Probe, org_id: UUID) -> None:
    probe.attach("test.narrow", max_running=3)
    fill(probe, org_id, 20, "test.narrow")
    taken: list[ledger.Claim] = []
    threads = [threading.Thread(target=lambda: taken.extend(take())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(taken) == 3
    with unit_of_work(Scope.platform()):
        ledger.finish(taken[:1])
    assert len(take()) == 1
    assert take() == []


def test_a_limit_counts_what_another_is_just_taking(probe: Probe, org_id: UUID) -> None:
    probe.attach("test.narrow", max_running=1)
    fill(probe, org_id, 2, "test.narrow")
    taken: list[ledger.Claim] = []
    with psycopg.connect(probe.settings.database_url.get_secret_value()) as other:
        other.execute(
            "SELECT id FROM claim_turn('bulk', '{test.narrow}', '{1}', '{1}', NULL, 'w', '60 s')"
        )
        second = threading.Thread(target=lambda: taken.extend(take()))
        second.start()
        second.join(0.3)
        other.commit()
    second.join(20)
    assert taken == []


def test_while_others_take_the_best_kind_the_next_one_is_taken(probe: Probe) -> None:
    probe.attach("test.other", priority=-1)
    best, other = probe.enqueue(), probe.enqueue(kind="test.other")
    with probe.lock(best):
        assert [claim.id for claim in take()] == [other]


def test_a_full_kind_does_not_stand_in_the_way_of_another(probe: Probe, org_id: UUID) -> None:
    probe.attach("test.narrow", max_running=1, priority=10)
    fill(probe, org_id, 3, "test.narrow")
    plain = probe.enqueue()
    assert [claim.kind for claim in take()] == ["test.narrow"]
    assert [claim.id for claim in take()] == [plain]


@pytest.mark.parametrize("name", ["all", "bulk", "test.probe"])
def test_an_operator_limits_what_runs_at_once(probe: Probe, org_id: UUID, name: str) -> None:
    fill(probe, org_id, 10)
    with unit_of_work(Scope.platform()):
        Job.update(state="cancelled").where(Job.state == "running").execute()
        controls.limit(name, 2)
    assert [len(take()) for _ in range(4)] == [1, 1, 0, 0]
    with unit_of_work(Scope.platform()):
        controls.limit(name, None)
    assert len(take()) == 1


def test_a_limit_counts_within_a_turn(probe: Probe, org_id: UUID) -> None:
    probe.attach("test.grouped", turn=10, max_running=4)
    fill(probe, org_id, 20, "test.grouped")
    assert [len(take()) for _ in range(2)] == [4, 0]


@pytest.mark.parametrize("name", ["all", "bulk", "test.probe"])
def test_what_is_paused_waits_until_it_is_resumed(probe: Probe, name: str) -> None:
    job_id = probe.enqueue()
    with unit_of_work(Scope.platform()):
        controls.pause(name, "the model is being moved")
    probe.worker().drain()
    assert probe.row(job_id).state == "queued"
    with unit_of_work(Scope.platform()):
        line = next(line for line in reports.backlog() if line.kind == probe.kind)
        controls.resume(name)
    assert line.paused
    probe.worker().drain()
    assert probe.row(job_id).state == "succeeded"


@pytest.mark.parametrize(("name", "most"), [("grading.nothing", 3), ("bulk", 0)])
def test_controls_that_make_no_sense_are_refused(probe: Probe, name: str, most: int) -> None:
    with pytest.raises(BadRequest), unit_of_work(Scope.platform()):
        controls.limit(name, most)


def group(probe: Probe, fails: int | None = None) -> None:
    """Jobs that commit together; the one with the number `fails` fails at its first try."""

    def handler(job: RunningJob) -> None:
        with job.completing():
            database.execute_sql(
                "UPDATE organizations SET name = name || %s WHERE id = %s", ("x", job.org_id)
            )
            if job.payload["n"] == fails:
                raise ValueError("not this one")

    probe.handler = handler
    probe.attach("test.grouped", turn=10)


def effects(probe: Probe) -> int:
    with unit_of_work(Scope.platform()):
        return str(Organization.get_by_id(probe.org_id).name).count("x")


def test_the_jobs_of_a_turn_commit_together(probe: Probe, org_id: UUID) -> None:
    group(probe)
    job_ids = fill(probe, org_id, 7, "test.grouped")
    probe.worker().run()
    assert effects(probe) == 7
    with unit_of_work(Scope.platform()):
        stamps = {Job.get_by_id(job_id).finished_at for job_id in job_ids}
    assert len(stamps) == 1
    assert [probe.outcomes(job_id) for job_id in job_ids] == [["succeeded"]] * 7


def test_one_that_fails_takes_none_of_its_group_with_it(probe: Probe, org_id: UUID) -> None:
    group(probe, fails=3)
    job_ids = fill(probe, org_id, 7, "test.grouped")
    probe.worker().run()
    assert effects(probe) == 6
    states = [probe.row(job_id).state for job_id in job_ids]
    assert states == ["succeeded"] * 3 + ["retrying"] + ["succeeded"] * 3
    assert probe.outcomes(job_ids[3]) == ["failed"]


def test_a_group_that_lost_one_to_another_worker_writes_nothing_of_it(
    probe: Probe, org_id: UUID
) -> None:
    group(probe)
    job_ids = fill(probe, org_id, 4, "test.grouped")
    claims = take(worker="slow")
    probe.expire_lease(claims[1].id)
    probe.sweep()
    slow = probe.worker("slow").runner
    slow.perform(claims)
    assert effects(probe) == 3
    assert probe.row(claims[1].id).state == "queued"
    probe.worker("quick").drain()
    assert effects(probe) == 4
    assert {probe.row(job_id).state for job_id in job_ids} == {"succeeded"}


def test_what_a_worker_died_of_is_not_run_in_company_again(probe: Probe, org_id: UUID) -> None:
    group(probe)
    job_ids = fill(probe, org_id, 3, "test.grouped")
    probe.claim_and_vanish()
    probe.sweep()
    probe.worker().run()
    with unit_of_work(Scope.platform()):
        stamps = {Job.get_by_id(job_id).finished_at for job_id in job_ids}
    assert len(stamps) == 3
    assert effects(probe) == 3


def test_enqueueing_many_keeps_their_order_and_their_keys(probe: Probe) -> None:
    first = probe.enqueue(dedupe_key="b")
    with unit_of_work(Scope.tenant(probe.org_id)):
        ids = enqueue_many(
            probe.kind,
            [Order({"n": n}, dedupe_key=key) for n, key in enumerate(["a", "b", None, "a"])],
        )
    assert ids[1] == first
    assert ids[3] == ids[0]
    assert [probe.row(job_id).payload.get("n") for job_id in (ids[0], ids[2])] == [0, 2]


def test_what_is_scheduled_waits_for_its_time(probe: Probe) -> None:
    job_id = probe.enqueue(run_at=now().replace(year=now().year + 1))
    probe.sweep()
    probe.worker().drain()
    assert probe.row(job_id).state == State.scheduled
    probe.make_due(job_id)
    probe.worker().drain()
    assert probe.row(job_id).state == State.succeeded


def test_what_was_interrupted_goes_before_what_came_after_it(probe: Probe, org_id: UUID) -> None:
    ran: list[int] = []
    probe.handler = lambda job: ran.append(job.payload["n"])
    fill(probe, org_id, 5)
    probe.claim_and_vanish()
    probe.sweep()
    (handed_back,) = take(worker="stopping")
    assert handed_back.payload["n"] == 0
    with unit_of_work(Scope.platform()):
        ledger.hand_back(handed_back)
    probe.worker().run(2)
    assert ran == [0, 1]
