import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from clozone.local.identity import entry, identity
from clozone.local.leftovers import end_leftovers
from clozone.local.state import BundleState, ProcessRecord

_SLEEP = "import time; print('up', flush=True); time.sleep(600)"
_DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_SLEEP}"
_PARENT = (
    sys.executable,
    "-c",
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); time.sleep(600)",
)


@contextmanager
def _running(code: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    with _running(_SLEEP) as process:
        yield process


def _state(record: ProcessRecord) -> BundleState:
    return BundleState("ready", "", 1, "boot:0", "", processes=[record])


def _record(pid: int) -> ProcessRecord:
    return ProcessRecord("worker", "ready", pid, identity(pid))


def test_a_process_that_is_ours_is_ended(sleeper: subprocess.Popen[str]) -> None:
    assert end_leftovers(_state(_record(sleeper.pid))) == ["worker"]
    assert sleeper.wait(10) == -signal.SIGTERM


def test_a_process_that_only_has_the_number_is_left_alone(sleeper: subprocess.Popen[str]) -> None:
    boot, started = (identity(sleeper.pid) or "").split(":")
    for other in (f"{boot}:{int(started) - 1}", f"another-boot:{started}", None):
        record = replace(_record(sleeper.pid), identity=other)
        assert end_leftovers(_state(record)) == []
    assert sleeper.poll() is None


def test_one_that_does_not_listen_is_killed() -> None:
    with _running(_DEAF) as deaf:
        end_leftovers(_state(_record(deaf.pid)), grace_seconds=0.2)
        assert deaf.wait(10) == -signal.SIGKILL


def test_children_of_a_process_that_is_gone_are_ended() -> None:
    parent = subprocess.Popen(_PARENT, start_new_session=True, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    record = _record(parent.pid)
    parent.kill()
    parent.wait()
    assert identity(child) is not None
    assert end_leftovers(_state(record)) == ["worker"]
    assert identity(child) is None


def test_the_process_table_knows_this_process() -> None:
    found = entry(os.getpid())
    assert found is not None
    assert (found.parent, found.session) == (os.getppid(), os.getsid(0))
    assert entry(2**22 + 1) is None
