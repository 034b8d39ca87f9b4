import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clozone.drill.errors import DrillError
from clozone.drill.target import find_target
from clozone.local.identity import identity
from clozone.local.state import BundleState, ProcessRecord, write_state

PARTS = ("postgres", "valkey", "s3", "nginx", "web-1", "worker", "scheduler", "offline-model")
PORTS = {name: 20_000 + number for number, name in enumerate(PARTS)}
MODEL = f"http://127.0.0.1:{PORTS['offline-model']}/v1"
ENVIRONMENT = {"OPENAI_BASE_URL": MODEL, "OPENAI_API_KEY": "offline", "LLM_MODEL": "offline-1"}
# Says when it runs: before that, its environment is still that of the process that made it.
SLEEPER = (sys.executable, "-IS", "-c", "print(flush=True); import time; time.sleep(300)")

Start = Callable[[dict[str, str]], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes with a given environment; they end with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(environment: dict[str, str]) -> int:
        process = subprocess.Popen(SLEEPER, env=environment, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process.pid

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def running(
    home: Path,
    start: Start | None = None,
    *,
    listen: str = "127.0.0.1:8080",
    without: str = "",
    different: dict[str, dict[str, str]] | None = None,
) -> Path:
    """A home as a running bundle leaves it, with this process as its supervisor.

    `start` starts the platform's own processes, `different` is what else some are given.
    """
    (home / "run").mkdir(parents=True)
    configuration = home / "nginx" / "current"
    configuration.mkdir(parents=True)
    (configuration / "clozone.conf").write_text(f"server {{\n    listen {listen};\n}}\n")
    (home / "run" / "ports.json").write_text(json.dumps(PORTS))
    vapi = {"header": "x-signature", "secret": "quiet"}
    (home / "credentials.json").write_text(json.dumps({"vapi": vapi}))
    records = []
    for name in PARTS:
        pid = None
        if start and name in ("web-1", "worker", "scheduler"):
            environment = ENVIRONMENT | {"CLOZONE_HOME": str(home), "CLOZONE_INSTANCE": name}
            pid = start(environment | (different or {}).get(name, {}))
        records.append(ProcessRecord(name, "ready", pid, identity(pid) if pid else None))
    state = BundleState(
        phase="ready",
        url="http://localhost:8080",
        supervisor_pid=os.getpid(),
        supervisor_identity=identity(os.getpid()),
        started_at="2026-11-24T09:00:00+00:00",
        processes=[record for record in records if record.name != without],
    )
    write_state(home / "run" / "state.json", state)
    return home


def test_a_local_bundle_is_taken_with_what_its_worker_runs_with(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_LEASE_SECONDS", "77")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    theirs = {"JOB_LEASE_SECONDS": "9", "SPOOL_DIR": "elsewhere/spool"}
    different = dict.fromkeys(("web-1", "worker", "scheduler"), theirs)
    target = find_target(running(tmp_path / "home", start, different=different))
    assert target.url == "http://127.0.0.1:8080"
    assert (target.vapi_header, target.vapi_secret) == ("x-signature", "quiet")
    assert target.environment["OPENAI_API_KEY"] == "offline"
    assert "CLOZONE_INSTANCE" not in target.environment
    assert target.lease_seconds == 9.0
    # From where the processes stand, as they see it.
    assert target.spool == Path.cwd() / "elsewhere/spool"


@pytest.mark.parametrize("name", ["web-1", "worker"])
@pytest.mark.parametrize("asked", ["", "https://model.example/v1"])
def test_a_process_that_asks_a_model_that_costs_money_is_not_drilled(
    tmp_path: Path, start: Start, name: str, asked: str
) -> None:
    other = {name: {"OPENAI_BASE_URL": asked, "OPENAI_API_KEY": "sk-real"}}
    with pytest.raises(DrillError, match=f"{name} asks the model at"):
        find_target(running(tmp_path / "home", start, different=other))


def test_processes_with_different_settings_are_not_drilled(tmp_path: Path, start: Start) -> None:
    home = running(tmp_path / "home", start, different={"web-1": {"JOB_LEASE_SECONDS": "3"}})
    with pytest.raises(DrillError, match="different settings: JOB_LEASE_SECONDS"):
        find_target(home)


def test_a_process_that_is_not_there_is_not_judged(tmp_path: Path) -> None:
    with pytest.raises(DrillError, match="What web-1 runs with cannot be read"):
        find_target(running(tmp_path / "home"))


def test_where_nothing_runs_nothing_is_drilled(tmp_path: Path) -> None:
    with pytest.raises(DrillError, match="No Clozone runs in"):
        find_target(tmp_path / "home")


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:8080"])
def test_a_bundle_that_others_can_reach_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(DrillError, match="not on the loopback only"):
        find_target(running(tmp_path / "home", listen=listen))


@pytest.mark.parametrize("missing", ["offline-model", "s3"])
def test_a_bundle_with_other_servers_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(DrillError, match=f"runs without {missing}"):
        find_target(running(tmp_path / "home", without=missing))


def test_a_bundle_whose_supervisor_died_is_not_drilled(tmp_path: Path) -> None:
    home = running(tmp_path / "home")
    file = home / "run" / "state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"supervisor_identity": "another boot:1"}))
    with pytest.raises(DrillError, match="No Clozone runs in"):
        find_target(home)
