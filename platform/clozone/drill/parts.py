"""The processes of the bundle, as something to kill, by number and only while it is theirs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from clozone.drill.target import Target
from clozone.local import application
from clozone.local.identity import is_same
from clozone.local.logs import last_lines
from clozone.local.process import ManagedProcess
from clozone.local.state import ProcessRecord

# A second worker, of the drill's own: with one alone, nobody would run what a frozen one holds.
SECOND_WORKER = "drill-worker"
WORKERS = frozenset({"worker", SECOND_WORKER})
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Living:
    """A process that runs: its name, number, and what tells it from others with that number."""

    name: str
    pid: int
    identity: str


class Parts:
    """Finds, kills and freezes processes of one bundle, and of the drill's second worker."""

    def __init__(self, target: Target) -> None:
        self._target = target
        spec = replace(
            application.worker(target.plan),
            name=SECOND_WORKER,
            log=target.home.log(SECOND_WORKER),
            env={**target.environment, "CLOZONE_INSTANCE": SECOND_WORKER, "PYTHONUNBUFFERED": "1"},
        )
        self._second = ManagedProcess(spec, lambda: None)

    def start_second_worker(self) -> None:
        """Start it; it is started again whenever it dies, like every part of the bundle."""
        self._second.start()

    def stop_second_worker(self) -> None:
        """End it gracefully."""
        if self._second.is_supervised:
            self._second.stop()

    def names(self) -> list[str]:
        """Every process there is to kill. The offline model is not among them: it is the witness."""
        bundles = [record.name for record in self._target.state().processes]
        return [name for name in bundles if name != "offline-model"] + [SECOND_WORKER]

    def living(self, name: str) -> Living | None:
        """The process that runs under this name now, if one does."""
        record = self._record(name)
        if record is None or record.pid is None or record.identity is None:
            return None
        if not is_same(record.pid, record.identity):
            return None
        return Living(name, record.pid, record.identity)

    def await_living(self, name: str, seconds: float) -> Living | None:
        """The same, waited for while it is being restarted; None if it does not come in time."""
        deadline = time.monotonic() + seconds
        while (found := self.living(name)) is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return found

    def is_ready(self, name: str) -> bool:
        """Whether the process does its work: it answers, and a worker has said that it is ready."""
        record = self._record(name)
        if record is None or record.state != "ready" or self.living(name) is None:
            return False
        if name not in WORKERS or record.started_at is None:
            return True
        # For its supervisor a worker is ready as soon as it runs: seconds before it can take a job.
        born = datetime.fromisoformat(record.started_at)
        return any(_time_of(line) >= born for line in last_lines(self._target.home.log(name), 1))

    def kill(self, process: Living) -> bool:
        """SIGKILL: no goodbye, no clean-up. False if it is gone."""
        if not is_same(process.pid, process.identity):
            return False
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
            return True
        return False

    def freeze(self, process: Living, seconds: float) -> "subprocess.Popen[bytes] | None":
        """Freeze it for so long; the child that wakes it up again, also if the drill is killed.

        SIGTERM to the child wakes it early. None if the process is gone.
        """
        words = ("-m", "clozone.drill.freezer", str(process.pid), process.identity, str(seconds))
        child = subprocess.Popen(  # noqa: S603
            (sys.executable, *words), stdout=subprocess.PIPE, start_new_session=True
        )
        assert child.stdout is not None  # noqa: S101 -- it was asked for
        if child.stdout.readline():
            return child
        child.communicate()
        return None

    def wipe_redis(self) -> bool:
        """FLUSHALL; False if the server did not take it."""
        password = self._target.plan.keys.valkey_password
        port = self._target.plan.ports["valkey"]
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(f"AUTH {password}\r\nFLUSHALL\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+OK\r\n"

    def _record(self, name: str) -> ProcessRecord | None:
        if name == SECOND_WORKER:
            return ProcessRecord.of(self._second)
        found = (each for each in self._target.state().processes if each.name == name)
        return next(found, None)


def _time_of(line: str) -> datetime:
    """When a log line was written; later than anything for a line made for people."""
    try:
        return datetime.fromisoformat(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return datetime.max.replace(tzinfo=UTC)
