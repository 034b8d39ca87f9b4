"""Both stacks on the same servers: PostgreSQL and Valkey of the local bundle, an nginx each."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis
from bench.queue.children import kill, start
from bench.reads.asking import answers
from bench.reads.loading import SIZES, Loading, ours_of, theirs_of
from bench.reads.machine import RIVAL
from bench.reads.people import People
from bench.reads.wrk import Requests

from clozone.local.bundle import BACKING, Bundle
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
# As a machine of this size would be set up, for both alike; the bundle's own values are a laptop's.
_POSTGRESQL = {"shared_buffers": "1GB", "max_wal_size": "4GB", "maintenance_work_mem": "512MB"}
# Valkey's databases from here on are the rival's, one for each size; the platform has 0 and 1.
_FIRST_RIVAL_DATABASE = 8
_LIMITS_DATABASE, _CACHE_DATABASE = 0, 1


@dataclass(frozen=True, slots=True)
class Server:
    """One process and the port on which it answers."""

    port: int
    process: "subprocess.Popen[bytes]"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two processes behind an nginx; `port` is nginx's."""

    port: int
    servers: tuple[Server, Server]


class Stage:
    """The servers, and what is started on them."""

    def __init__(self, home: Path, bundle: Bundle, modules: Path) -> None:
        self._home = home
        self._platform = bundle.environment()
        self._modules = modules
        self._superuser_url = bundle.superuser_url("clozone")
        self._redis_url = self._platform["REDIS_URL"].rpartition("/")[0]
        self._next = 0
        self.people = People(self._platform["JWT_SECRET"])
        self.webhook_secret = self._platform["VAPI_WEBHOOK_SECRET"]

    @classmethod
    @contextmanager
    def opened(
        cls, home: Path, modules: Path, sizes: Sequence[str], *, fresh: bool
    ) -> Iterator["Stage"]:
        """Start the servers on the data in `home`, and load what is not there yet."""
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        bundle = Bundle(home / "servers", 0, parts=BACKING)
        bundle.start()
        try:
            _set_up_postgresql(bundle)
            loading = Loading(bundle.superuser_url(), bundle.environment())
            for size in sizes:
                loading.provide(size, fresh=fresh)
            stage = cls(home, bundle, modules)
            yield stage
        finally:
            bundle.stop()
            shutil.rmtree(home / "logs", ignore_errors=True)

    # ---- Servers --------------------------------------------------------------------------------

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
        self._next += 1
        name = f"server-{self._next}"
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
        valkey = urlsplit(self._redis_url)
        environment = {
            **os.environ,
            "NODE_ENV": "production",
            "NODE_PATH": str(self._modules),
            "PORT": str(port),
            "RATE_MAX": UNREACHED,
            "BENCH_PG_DSN": f"{self._superuser_url.rpartition('/')[0]}/{theirs_of(size)}",
            "BENCH_REDIS_PORT": str(valkey.port),
            "BENCH_REDIS_PASSWORD": valkey.password or "",
            "BENCH_DB": str(_rival_database(size)),
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

    # ---- What is asked, and what is in the stores -----------------------------------------------

    def requests(self, lines: Sequence[str]) -> Requests:
        """Lines of "PATH" or "PATH TOKEN" for wrk."""
        folder = self._home / "requests"
        folder.mkdir(exist_ok=True)
        self._next += 1
        return Requests.written(folder / f"{self._next}.txt", lines)

    def flush(self, database: int) -> None:
        """Empty one of Valkey's databases."""
        with redis.Redis.from_url(f"{self._redis_url}/{database}") as store:
            store.flushdb(asynchronous=True)

    def forget_counts(self) -> None:
        """Let nobody have asked for anything yet: what is counted here in minutes, no user asks in days."""
        self.flush(_LIMITS_DATABASE)

    def forget_ours(self) -> None:
        """Empty our cache."""
        self.flush(_CACHE_DATABASE)

    def forget_theirs(self, size: str) -> None:
        """Empty the rival's."""
        self.flush(_rival_database(size))

    @contextmanager
    def database(self, size: str) -> Iterator[psycopg.Connection]:
        """Our database of a size, as superuser."""
        url = f"{self._superuser_url.rpartition('/')[0]}/{ours_of(size)}"
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection

    @contextmanager
    def statistics(self) -> Iterator[psycopg.Connection]:
        """The database in which pg_stat_statements is, as superuser."""
        with psycopg.connect(self._superuser_url, autocommit=True) as connection:
            yield connection


def _rival_database(size: str) -> int:
    return _FIRST_RIVAL_DATABASE + list(SIZES).index(size)


def _set_up_postgresql(bundle: Bundle) -> None:
    with psycopg.connect(bundle.superuser_url(), autocommit=True) as connection:
        row = connection.execute("SHOW shared_buffers").fetchone()
        if row == (_POSTGRESQL["shared_buffers"],):
            return
        for name, value in _POSTGRESQL.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    bundle.restart("postgres")
