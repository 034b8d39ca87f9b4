"""Closed-loop load by wrk: so many connections, each asking again as soon as it is answered."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "requests.lua"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it. `rate` is requests per second; `refused` counts answers of 400 and above,
    `broken` connections that failed or timed out. `cpu_us` is what the server's processes used of the
    processors per request, in microseconds."""

    rate: float
    p50_ms: float
    p99_ms: float
    requests: int
    refused: int
    broken: int
    cpu_us: float = 0.0


@dataclass(frozen=True, slots=True)
class Requests:
    """What is asked in turn, each a path and the token that it is asked with, if any."""

    file: Path

    @classmethod
    def written(cls, file: Path, lines: Sequence[str]) -> "Requests":
        """Lines of "PATH" or "PATH TOKEN", kept in `file`."""
        file.write_text("\n".join(lines) + "\n")
        return cls(file)

    def first(self) -> tuple[str, str | None]:
        """Path and token of the first."""
        with self.file.open() as lines:
            path, _, token = lines.readline().strip().partition(" ")
        return path, token or None


def run_wrk(port: int, requests: Requests, *, seconds: float, connections: int) -> Load:
    """Load the server on `port` of this machine."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s"]
    result = subprocess.run(
        [*command, "--timeout", f"{TIMEOUT_SECONDS}s", "-s", SCRIPT, f"http://127.0.0.1:{port}"],
        env=os.environ | {"BENCH_REQUESTS": str(requests.file)},
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 2 * TIMEOUT_SECONDS,
    )
    return Load(**json.loads(result.stdout.split("JSON ", 1)[1].splitlines()[0]))
