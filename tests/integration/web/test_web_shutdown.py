import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import orjson
import pytest

SCRIPT = Path(__file__).with_name("served_app.py")


class Process:
    """A web process and a client for it."""

    def __init__(self, environment: dict[str, str], grace_seconds: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        env = {name.upper(): value for name, value in environment.items()}
        env |= {
            "SHUTDOWN_GRACE_SECONDS": str(grace_seconds),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.child = subprocess.Popen(
            [sys.executable, str(SCRIPT), f"127.0.0.1:{self.port}"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False)
        while self._status() is None:
            assert self.child.poll() is None
            time.sleep(0.05)

    def _status(self) -> int | None:
        try:
            return self.client.get("/api/health/live").status_code
        except httpx2.TransportError:
            return None

    def get_in_background(self, path: str) -> tuple[threading.Thread, list]:
        """Ask in a thread; the list gets the response, or the error."""
        answers: list = []

        def ask() -> None:
            try:
                with httpx2.Client(trust_env=False, timeout=30) as client:
                    answers.append(client.get(f"http://127.0.0.1:{self.port}{path}"))
            except httpx2.TransportError as error:
                answers.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.2)  # let the request arrive; nothing is asserted about how long it takes
        return thread, answers


@pytest.fixture
def process(servers) -> Iterator:
    started: list[Process] = []

    def start(grace_seconds: float) -> Process:
        started.append(Process(servers, grace_seconds))
        return started[-1]

    yield start
    for one in started:
        one.child.kill()
        one.child.communicate()
        one.client.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_ends_and_then_the_process(process, number):
    site = process(grace_seconds=20)
    thread, answers = site.get_in_background("/api/things/slow?seconds=2")
    site.child.send_signal(number)
    thread.join()
    output, _ = site.child.communicate(timeout=30)
    assert answers[0].json() == ["done"]
    assert answers[0].headers["connection"] == "close"
    assert site.child.returncode == 0
    assert orjson.loads(output.splitlines()[-1])["message"] == "stopped"


def test_readiness_fails_while_requests_are_still_taken(process):
    site = process(grace_seconds=20)
    assert site.client.get("/api/health/ready").status_code == 200
    site.child.send_signal(signal.SIGTERM)
    while (response := site.client.get("/api/health/ready")).status_code == 200:
        time.sleep(0.01)
    assert response.status_code == 503
    assert response.json()["detail"] == "This instance is stopping."


def test_what_outlasts_the_grace_period_does_not_hold_the_process(process):
    site = process(grace_seconds=0.2)
    thread, answers = site.get_in_background("/api/things/slow?seconds=600")
    site.child.send_signal(signal.SIGTERM)
    site.child.communicate(timeout=60)
    thread.join()
    assert site.child.returncode == 0
    assert not isinstance(answers[0], httpx2.Response) or answers[0].status_code >= 500


def test_a_stream_ends_when_the_process_takes_its_leave(process, servers):
    site = process(grace_seconds=300)
    thread, answers = site.get_in_background("/api/things/ticks")
    site.child.send_signal(signal.SIGTERM)
    thread.join()
    site.child.communicate(timeout=60)
    assert answers[0].status_code == 200
    assert "event: tick" in answers[0].text
    assert site.child.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(process, number):
    site = process(grace_seconds=300)
    thread, _ = site.get_in_background("/api/things/slow?seconds=600")
    site.child.send_signal(number)
    while site.client.get("/api/health/ready").status_code == 200:
        time.sleep(0.01)
    site.child.send_signal(number)
    site.child.communicate(timeout=60)
    thread.join()
    assert site.child.returncode == 1
