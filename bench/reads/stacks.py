"""Both stacks as processes: alone, or two behind an nginx of the bundle's configuration."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.queue.children import kill, start
from bench.reads.asking import answers
from bench.reads.loading import ours_of
from bench.reads.machine import RIVAL
from bench.reads.stores import Stores, rival_database

from clozone.local.bundle import Bundle
from clozone.local.ports import choose_ports

START_SECONDS = 60
# Limits count on both sides, and refuse nobody.
UNREACHED = "100000000"
WIDE_OPEN = {
    "NGINX_RATE_API": "1000000r/s",
    "NGINX_BURST_API": "1000000",
    "NGINX_RATE_WEBHOOKS": "1000000r/s",
    "NGINX_BURST_WEBHOOKS": "1000000",
    "NGINX_CONNECTIONS": "65535",
}
_PLATFORM = {
    "RATE_LIMIT_USER": f"{UNREACHED} per 15 minutes",
    "RATE_LIMIT_API": f"{UNREACHED} per 15 minutes",
}


@dataclass(frozen=True, slots=True)
class Server:
    """One process and the port on which it answers."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def pids(self) -> tuple[int, ...]:
        """Its process."""
        return (self.process.pid,)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two processes behind an nginx; `port` is nginx's."""

    port: int
    servers: tuple[Server, Server]

    @property
    def pids(self) -> tuple[int, ...]:
        """The two processes, nginx not among them."""
        return tuple(server.process.pid for server in self.servers)


class Stacks:
    """Starts servers on `stores`; they end with the block. `platform` are the bundle's variables."""

    def __init__(
        self, home: Path, stores: Stores, platform: Mapping[str, str], modules: Path
    ) -> None:
        self._home = home
        self._stores = stores
        self._platform = platform
        self._modules = modules
        self._ports = 0

    @contextmanager
    def ours(self, size: str, **settings: str) -> Iterator[Server]:
        """One web process on its own port, `settings` set besides."""
        with self._web(size, self._free_port(), settings) as server:
            yield server

    @contextmanager
    def ours_behind_nginx(self, size: str, **settings: str) -> Iterator[Pair]:
        """Two web processes behind the nginx of the bundle."""
        with self._front("ours") as (port, ports), ExitStack() as stack:
            first, second = (stack.enter_context(self._web(size, p, settings)) for p in ports)
            yield Pair(port, (first, second))

    @contextmanager
    def unlimited(self, size: str) -> Iterator[Server]:
        """One web process whose rate limiter is left out."""
        port = self._free_port()
        command = [sys.executable, "-m", "bench.reads.unlimited", str(port)]
        environment = self._ours_environment(size, {})
        with self._started(command, environment, port, "/api/health/live") as server:
            yield server

    @contextmanager
    def rival(self, size: str) -> Iterator[Server]:
        """One process of the rival."""
        with self._node(size, self._free_port()) as server:
            yield server

    @contextmanager
    def rival_behind_nginx(self, size: str) -> Iterator[Pair]:
        """Two processes of the rival behind an nginx of the same configuration."""
        with self._front("rival") as (port, ports), ExitStack() as stack:
            first, second = (stack.enter_context(self._node(size, p)) for p in ports)
            yield Pair(port, (first, second))

    def _free_port(self) -> int:
        self._ports += 1
        name = f"server-{self._ports}"
        return choose_ports(self._home / "ports.json", [name])[name]

    @contextmanager
    def _front(self, name: str) -> Iterator[tuple[int, list[int]]]:
        """nginx: its port, and those of the two servers behind it."""
        bundle = Bundle(self._home / f"front-{name}", 0, os.environ | WIDE_OPEN, {"nginx"})
        bundle.start()
        try:
            ports = json.loads(bundle.home.ports.read_text())
            yield ports["nginx"], [ports["web-1"], ports["web-2"]]
        finally:
            bundle.stop()

    @contextmanager
    def _web(self, size: str, port: int, settings: dict[str, str]) -> Iterator[Server]:
        command = [sys.executable, "-m", "clozone", "web", "--bind", f"127.0.0.1:{port}"]
        environment = self._ours_environment(size, settings) | {"CLOZONE_INSTANCE": f"web-{port}"}
        with self._started(command, environment, port, "/api/health/live") as server:
            yield server

    @contextmanager
    def _node(self, size: str, port: int) -> Iterator[Server]:
        valkey = self._stores.valkey
        environment = {
            **os.environ,
            "NODE_ENV": "production",
            "NODE_PATH": str(self._modules),
            "PORT": str(port),
            "RATE_MAX": UNREACHED,
            "BENCH_PG_DSN": self._stores.url_of_theirs(size),
            "BENCH_REDIS_PORT": str(valkey.port),
            "BENCH_REDIS_PASSWORD": valkey.password or "",
            "BENCH_DB": str(rival_database(size)),
        }
        command = ["node", str(RIVAL / "server.js")]
        with self._started(command, environment, port, "/api/health") as server:
            yield server

    def _ours_environment(self, size: str, settings: dict[str, str]) -> dict[str, str]:
        url = f"{self._platform['DATABASE_URL'].rpartition('/')[0]}/{ours_of(size)}"
        return {**os.environ, **self._platform, **_PLATFORM, "DATABASE_URL": url, **settings}

    @contextmanager
    def _started(
        self, command: list[str], environment: dict[str, str], port: int, health: str
    ) -> Iterator[Server]:
        logs = self._home / "logs"
        logs.mkdir(exist_ok=True)
        log = logs / f"{port}.log"
        process = start(command, environment, Path.cwd(), log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(port, health):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[-1]} did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.05)
            yield Server(port, process)
        finally:
            kill(process)
            log.unlink(missing_ok=True)
