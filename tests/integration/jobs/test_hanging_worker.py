"""A worker whose handler hangs ends in order, and in a way that has it started anew."""

import os
import subprocess
import sys

from job_probe import Probe
from tests.support.hanging_worker import KIND

TOLD_TO_START_ANEW = 75


def test_a_worker_whose_handler_hangs_fails(probe: Probe, environment: dict[str, str]) -> None:
    probe.attach(KIND.name)
    job_id = probe.enqueue(kind=KIND.name)
    patient = {"SHUTDOWN_GRACE_SECONDS": "0.5", "JOB_LEASE_SECONDS": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.hanging_worker"],
        env=os.environ | environment | patient,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == TOLD_TO_START_ANEW, ended.stdout + ended.stderr
    assert "jobs hang, the worker starts anew" in ended.stderr + ended.stdout
    assert "worker stopped" in ended.stderr + ended.stdout
    assert probe.row(job_id).state == "retrying"
