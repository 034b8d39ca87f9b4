"""Runs as a whole: what is written down, the job, the command."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from reconciler_probe import Reconciler, practised, vapi_call
from tests.support.practice import Practice
from tests.support.vapi import TALK, Call, metadata_of
from tests.support.vapi_server import API_KEY

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.models.operations import Job
from clozone.models.reconciliation import Reconciliation


def test_each_run_leaves_a_row_with_its_counts(reconciler, practice):
    stalled = practised(practice, status="processing")
    reconciler.age(stalled)
    account = reconciler.run()
    row = reconciler.row()
    assert (row.checked, row.found, row.healed, row.errors) == tuple(account.counts().values())
    assert row.found["grading_stalled"] >= 1
    assert row.healed["grading_stalled"] >= 1
    assert row.started_at <= row.finished_at
    assert row.dry_run is False


def test_rows_of_a_month_ago_are_removed(reconciler):
    with unit_of_work(Scope.platform()):
        old = Reconciliation.create(
            started_at=now() - timedelta(days=31), since=now() - timedelta(days=33)
        )
    reconciler.run()
    with unit_of_work(Scope.platform()):
        assert Reconciliation.get_or_none(Reconciliation.id == old.id) is None


def test_no_organisation_sees_the_runs(reconciler, practice):
    reconciler.run()
    with unit_of_work(practice.scope):
        assert Reconciliation.select().count() == 0
    with unit_of_work(Scope.platform()):
        assert Reconciliation.select().count() == 1


def test_the_job_runs_it_and_keeps_the_counts(reconciler, practice):
    stalled = practised(practice, status="processing")
    reconciler.age(stalled)
    with unit_of_work(Scope.platform()):
        job_id = enqueue("reconciler.run", {})
    job = reconciler.try_once(job_id)
    assert job.state == "succeeded", job.last_error
    assert job.result["healed"]["grading_stalled"] >= 1
    with unit_of_work(Scope.platform()):
        assert Job.select().where(Job.subject_id == stalled, Job.state == "queued").count() == 1


@pytest.fixture
def command(reconciler: Reconciler, environment: dict[str, str], vapi):
    """`clozone reconcile …` as a process of its own; exit code, output, errors."""

    def run(*arguments: str, **changes: str) -> tuple[int, str, str]:
        variables = {
            **environment,
            "VAPI_API_KEY": API_KEY,
            "VAPI_BASE_URL": vapi.url,
            "LOG_LEVEL": "ERROR",
            **changes,
        }
        done = subprocess.run(
            [sys.executable, "-m", "clozone", "reconcile", *arguments],
            env={"PATH": "/usr/bin:/bin", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_command_says_what_it_found_and_healed(command, reconciler, practice: Practice):
    stalled = practised(practice, status="processing")
    reconciler.age(stalled)
    code, out, _ = command("--dry-run")
    assert code == 0
    assert f"found: grading_stalled id={stalled}" in out
    code, out, _ = command()
    assert code == 0
    assert f"healed: grading_stalled id={stalled}" in out
    code, out, _ = command()
    assert code == 0
    assert str(stalled) not in out


def test_the_command_prints_json(command, reconciler, practice, vapi):
    call = Call(metadata_of(practice))
    told = vapi_call(call, *TALK)
    vapi.add_call(call.id, told.pop("createdAt"), **told)
    code, out, _ = command("--json", "--since", "2025-12-31")
    told = json.loads(out)
    assert code == 0
    assert told["since"] == "2025-12-31T00:00:00.000Z"
    assert (told["with_vapi"], told["dry_run"], told["errors"]) == (True, False, [])
    assert {"kind": "report_missing", "id": None, "call_id": call.id, "healed": True} in told[
        "findings"
    ]
    assert told["healed"]["report_missing"] == 1


def test_the_command_fails_when_vapi_cannot_be_asked(command):
    code, out, errors = command(VAPI_API_KEY="wrong")
    assert code == 1
    assert "check VAPI_API_KEY" in errors
    assert "looked at" in out


def test_the_command_says_when_there_is_no_key(command, vapi, environment):
    code, out, _ = command(VAPI_API_KEY="")
    assert code == 0
    assert "without VAPI_API_KEY" in out
    assert vapi.requests == []


def test_the_command_refuses_a_time_that_is_none(command):
    code, _, errors = command("--since", "yesterday-ish")
    assert code == 2
    assert "yesterday-ish" in errors
