"""A bundle for a whole test run, shared by its xdist workers.

The first worker that asks starts it as a process of its own, which ends when the run does: on
request, or because the process that runs the tests is gone.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from clozone.local.bundle import BACKING, EVERYTHING, Bundle

RUN_FOLDER = "CLOZONE_TEST_RUN"
START_SECONDS = 90
STOP_SECONDS = 30


def shared_bundle(name: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of the bundle `name` ("backing" or "platform") of this run, started if need be."""
    run = Path(os.environ[RUN_FOLDER])
    home = run / name
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        facts = run / f"{name}.json"
        if not facts.exists():
            _launch(name, home, facts, env or {})
    return dict(json.loads(facts.read_text()))


def _launch(name: str, home: Path, facts: Path, env: dict[str, str]) -> None:
    log = home.with_suffix(".log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.servers", name, str(home), str(facts)],
        env=os.environ | env,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_SECONDS
    while not facts.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the {name} bundle did not start:\n{Path(log.name).read_text()}")
        time.sleep(0.05)


def stop_bundles(run: Path) -> None:
    """End the bundles of a run, with their data; waits for each, but not for ever."""
    for facts in run.glob("*.json"):
        pid = int(json.loads(facts.read_text())["SUPERVISOR_PID"])
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped by us does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def main(name: str, home: str, facts: str) -> None:
    """Be the supervisor of one bundle."""
    parts = BACKING if name == "backing" else EVERYTHING
    bundle = Bundle(Path(home), port=0, parts=parts)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    bundle.start()
    environment = bundle.environment() | {
        "SUPERVISOR_PID": str(os.getpid()),
        "SUPERUSER_URL": bundle.superuser_url(),
    }
    draft = Path(facts).with_suffix(".draft")
    draft.write_text(json.dumps(environment))
    draft.rename(facts)
    runner = int(os.environ["CLOZONE_TEST_RUNNER"])
    while not stop.wait(0.5) and Path(f"/proc/{runner}").exists():
        pass
    bundle.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
