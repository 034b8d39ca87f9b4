"""The offline model as a process of its own, and the real client in front of it."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import OpenAI

MODEL = "clozone-offline-1"
PATIENCE_SECONDS = 30.0


class Server:
    """A running server; `control` speaks to the endpoints that the client does not know."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process

    def control(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.url}{path}", data, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)

    def switch(self, *faults: dict[str, Any]) -> None:
        assert self.control("POST", "/_control", {"faults": list(faults)})[0] == 200

    def stats(self) -> dict[str, Any]:
        return dict(self.control("GET", "/_control/stats")[1])

    def client(self, **options: Any) -> OpenAI:
        defaults = {"api_key": "any", "max_retries": 0, "timeout": PATIENCE_SECONDS}
        return OpenAI(base_url=f"{self.url}/v1", **(defaults | options))


def start(*options: str) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "clozone.offline_model.command"]
    process = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}", *options])
    server = Server(port, process)
    give_up = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        try:
            if server.control("GET", "/_health") == (200, {"status": "ok"}):
                return server
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"the offline model did not start (exit code {process.wait()})")


def stop(server: Server, by: int = signal.SIGTERM) -> int:
    server.process.send_signal(by)
    return server.process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def running() -> Iterator[Server]:
    server = start()
    yield server
    stop(server)


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The server without faults and with its counts at zero."""
    running.switch()
    running.control("DELETE", "/_control/stats")
    yield running
    running.switch()


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


@pytest.fixture
def another_server() -> Iterator[Callable[..., Server]]:
    """Start further servers with options of their own; all are stopped in the end."""
    started: list[Server] = []

    def begin(*options: str) -> Server:
        started.append(start(*options))
        return started[-1]

    yield begin
    for server in started:
        if server.process.poll() is None:
            stop(server)


@pytest.fixture(scope="session")
def call() -> dict[str, Any]:
    """The arguments of a request for the evidence of a short, good call."""
    from clozone.grading.evidence import response_format
    from clozone.grading.prompt import messages
    from clozone.sessions.transcript import Turn
    from clozone.training.rubric import Rubric

    rubric = Rubric.model_validate(
        {
            "pass_score": 60,
            "criteria": [
                {
                    "key": "discovery",
                    "name": "Discovery",
                    "kind": "checklist",
                    "weight": 60,
                    "items": [
                        {"key": "budget", "text": "Asks about the budget"},
                        {"key": "decider", "text": "Asks who decides", "examples": ["who decides"]},
                    ],
                },
                {
                    "key": "rapport",
                    "name": "Rapport",
                    "kind": "scale",
                    "weight": 40,
                    "examples": ["I hear you", "fair enough"],
                },
            ],
        }
    )
    turns = [
        Turn(0, "rep", "Good morning. Is there a budget for this year?"),
        Turn(1, "customer", "Ten thousand."),
        Turn(2, "rep", "I hear you. And who decides in the end?"),
        Turn(3, "customer", "My boss."),
        Turn(4, "rep", "Fair enough."),
    ]
    return {
        "model": MODEL,
        "messages": messages(rubric, "A first call", turns),
        "response_format": response_format(),
    }
