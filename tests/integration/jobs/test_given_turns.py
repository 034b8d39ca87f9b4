"""The platform's own jobs that are taken in the turn of the organisation they are for."""

from uuid import UUID

import pytest
from job_probe import Probe

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import kinds, ledger
from clozone.jobs.enqueue import Order, enqueue_many
from clozone.jobs.kinds import Queue
from clozone.kit.ids import new_id


def platform_s(probe: Probe, turn_of: UUID | None, jobs: int = 1, kind: str = "") -> list[UUID]:
    with unit_of_work(Scope.platform()):
        return enqueue_many(kind or probe.kind, [Order({})] * jobs, turn_of=turn_of)


def test_five_thousand_for_one_organisation_do_not_delay_one_for_another(probe: Probe) -> None:
    another = new_id()
    ran: list[UUID] = []
    probe.handler = lambda job: ran.append(job.id)
    platform_s(probe, probe.org_id, 5_000)
    worker = probe.worker()
    worker.run(3)
    (late,) = platform_s(probe, another)
    worker.run(2)
    assert late in ran[3:]


def test_whose_turn_it_is_gives_no_right_to_his_rows(probe: Probe) -> None:
    seen: list[tuple[UUID | None, Scope]] = []
    probe.handler = lambda job: seen.append((job.org_id, job.scope))  # type: ignore[attr-defined]
    (job_id,) = platform_s(probe, probe.org_id)
    (again,) = platform_s(probe, None)
    probe.worker().drain()
    assert seen == [(None, Scope.platform())] * 2
    assert [probe.row(each).turn_of for each in (job_id, again)] == [probe.org_id, UUID(int=0)]


def test_a_key_is_one_whoever_s_turn_its_job_has(probe: Probe) -> None:
    order = Order({}, dedupe_key="the same")
    with unit_of_work(Scope.platform()):
        first = enqueue_many(probe.kind, [order], turn_of=probe.org_id)
        assert enqueue_many(probe.kind, [order]) == first


def test_jobs_that_commit_together_are_of_whose_turn_it_is(probe: Probe) -> None:
    """They share a unit of work, so one scope."""
    probe.attach("test.grouped", turn=10)
    with pytest.raises(ValueError, match="commit together"):
        platform_s(probe, probe.org_id, kind="test.grouped")
    assert ledger.claim_turn(Queue.bulk, kinds.runnable(Queue.bulk), None, "w", 60) == []
