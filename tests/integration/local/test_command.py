"""The commands, with everything that `clozone up` starts."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clozone.local.home import Home
from clozone.local.state import read_state

pytestmark = pytest.mark.slow

PROCESSES = [
    *("supervisor", "postgres", "valkey", "s3", "offline-model", "nginx"),
    *("web-1", "web-2", "worker", "scheduler"),
]


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    ours = ("CLOZONE_", "OPENAI_", "DATABASE_", "REDIS_", "S3_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return inherited | {"CLOZONE_HOME": str(home), "CLOZONE_PORT": "0"}


def _clozone(
    environment: dict[str, str], *words: str, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "clozone", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def _status(environment: dict[str, str]) -> dict[str, Any]:
    return dict(json.loads(_clozone(environment, "status", "--json").stdout))


def test_up_in_the_background(environment: dict[str, str], home: Path) -> None:
    try:
        started = _clozone(environment, "up", "--detach").stdout
        status = _status(environment)
        assert status["url"] in started
        assert [process["name"] for process in status["processes"]] == PROCESSES
        assert {process["state"] for process in status["processes"]} == {"ready"}
        assert status["start_seconds"] > 0

        answered = set()
        for _ in range(20):
            health = httpx2.get(f"{status['url']}/api/health")
            assert health.status_code == 200
            answered.add(health.headers["x-clozone-instance"])
        assert answered == {"web-1", "web-2"}

        credentials = home / "credentials.json"
        assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
        assert json.loads(credentials.read_text())["base_url"] == status["url"]

        assert "already running" in _clozone(environment, "up").stdout
        assert "already running" in _clozone(environment, "up", "--detach").stdout
        assert _status(environment)["processes"][0]["pid"] == status["processes"][0]["pid"]

        assert re.search(
            r"nginx +│ .*path=/api/health", _clozone(environment, "logs", "nginx").stdout
        )
        unknown = _clozone(environment, "logs", "nobody", expect=1)
        assert "worker" in unknown.stderr
    finally:
        _clozone(environment, "down")
    assert "stopped" in _clozone(environment, "status", expect=3).stdout
    assert "not running" in _clozone(environment, "down").stdout


def test_up_with_a_replica(environment: dict[str, str]) -> None:
    try:
        _clozone(environment, "up", "--detach", "--replica")
        status = _status(environment)
        states = {each["name"]: each["state"] for each in status["processes"]}
        assert states == dict.fromkeys([*PROCESSES, "replica"], "ready")
        components = httpx2.get(f"{status['url']}/api/health").json()["components"]
        assert components["replica"]["status"] == "up"
        # A command that attaches itself to the bundle reads and writes as ever.
        _clozone(environment, "analytics", "verify")
    finally:
        _clozone(environment, "down")
    try:
        _clozone(environment, "up", "--detach")
        status = _status(environment)
        assert [each["name"] for each in status["processes"]] == PROCESSES
        components = httpx2.get(f"{status['url']}/api/health").json()["components"]
        assert "replica" not in components
    finally:
        _clozone(environment, "down")


def test_up_after_its_supervisor_was_killed(environment: dict[str, str]) -> None:
    try:
        _clozone(environment, "up", "--detach")
        before = {each["name"]: each["pid"] for each in _status(environment)["processes"]}
        os.kill(before["supervisor"], signal.SIGKILL)
        _clozone(environment, "status", expect=3)
        _clozone(environment, "up", "--detach")
        after = {each["name"]: each["pid"] for each in _status(environment)["processes"]}
        assert not set(before.values()) & set(after.values())
    finally:
        _clozone(environment, "down")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_up_in_front_ends_cleanly(
    environment: dict[str, str], home: Path, signum: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "clozone", "up"],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ready"):
            break
    process.send_signal(signum)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, "".join(lines) + rest
    assert "\x1b" not in "".join(lines) + rest
    assert re.search(r"postgres +stopped", rest)
    state = read_state(Home.at(home).state)
    assert state is not None
    assert state.phase == "stopped"
    assert all(record.pid is None for record in state.processes)


def test_a_taken_port_is_explained(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for words in (("up",), ("up", "--detach")):
            refused = _clozone(environment | {"CLOZONE_PORT": port}, *words, expect=1)
            assert port in refused.stderr
            assert "CLOZONE_PORT" in refused.stderr


def test_wrong_settings_are_explained(environment: dict[str, str]) -> None:
    refused = _clozone(environment | {"LLM_TIMEOUT_SECONDS": "soon"}, "up", expect=1)
    assert "LLM_TIMEOUT_SECONDS" in refused.stderr


def test_a_home_that_cannot_be_written_is_explained(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    elsewhere = environment | {"CLOZONE_HOME": str(tmp_path / "file" / "home")}
    for words in (("up",), ("up", "--detach")):
        assert "CLOZONE_HOME" in _clozone(elsewhere, *words, expect=1).stderr
