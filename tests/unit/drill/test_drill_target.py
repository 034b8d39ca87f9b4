import json
import os
from pathlib import Path

import pytest

from clozone.drill.errors import DrillError
from clozone.drill.target import find_target
from clozone.local.identity import identity
from clozone.local.state import BundleState, ProcessRecord, write_state

PARTS = ("postgres", "valkey", "s3", "nginx", "web-1", "worker", "scheduler", "offline-model")


def running(home: Path, *, listen: str = "127.0.0.1:8080", without: str = "") -> Path:
    """A home as a running bundle leaves it, with this process as its supervisor."""
    (home / "run").mkdir(parents=True)
    (home / "nginx").mkdir()
    (home / "nginx" / "clozone.conf").write_text(f"server {{\n    listen {listen};\n}}\n")
    ports = {name: 20_000 + number for number, name in enumerate(PARTS)}
    (home / "run" / "ports.json").write_text(json.dumps(ports))
    vapi = {"header": "x-signature", "secret": "quiet"}
    (home / "credentials.json").write_text(json.dumps({"vapi": vapi}))
    state = BundleState(
        phase="ready",
        url="http://localhost:8080",
        supervisor_pid=os.getpid(),
        supervisor_identity=identity(os.getpid()),
        started_at="2026-11-24T09:00:00+00:00",
        processes=[ProcessRecord(name, "ready") for name in PARTS if name != without],
    )
    write_state(home / "run" / "state.json", state)
    return home


def test_a_local_bundle_is_taken(tmp_path: Path) -> None:
    target = find_target(running(tmp_path / "home"), {})
    assert target.url == "http://127.0.0.1:8080"
    assert (target.vapi_header, target.vapi_secret) == ("x-signature", "quiet")
    assert target.environment["CLOZONE_HOME"] == str(tmp_path / "home")


def test_a_key_in_the_shell_leads_nobody_to_a_model_that_costs_money(tmp_path: Path) -> None:
    shell = {"OPENAI_API_KEY": "sk-real", "LLM_MODEL": "gpt-6-luna", "TZ": "UTC"}
    environment = find_target(running(tmp_path / "home"), shell).environment
    assert environment["OPENAI_API_KEY"] == "offline"
    assert environment["OPENAI_BASE_URL"].startswith("http://127.0.0.1:")
    assert environment["LLM_MODEL"].startswith("clozone-offline")
    assert environment["TZ"] == "UTC"


def test_where_nothing_runs_nothing_is_drilled(tmp_path: Path) -> None:
    with pytest.raises(DrillError, match="No Clozone runs in"):
        find_target(tmp_path / "home", {})


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:8080"])
def test_a_bundle_that_others_can_reach_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(DrillError, match="not on the loopback only"):
        find_target(running(tmp_path / "home", listen=listen), {})


@pytest.mark.parametrize("missing", ["offline-model", "s3"])
def test_a_bundle_with_other_servers_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(DrillError, match=f"runs without {missing}"):
        find_target(running(tmp_path / "home", without=missing), {})


def test_a_bundle_whose_supervisor_died_is_not_drilled(tmp_path: Path) -> None:
    home = running(tmp_path / "home")
    file = home / "run" / "state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"supervisor_identity": "another boot:1"}))
    with pytest.raises(DrillError, match="No Clozone runs in"):
        find_target(home, {})
