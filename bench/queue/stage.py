"""The servers that all contenders use, and the places in them where results are found."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from bench.queue.children import start
from bench.queue.contenders import OURS, ROOT, Contender
from psycopg import sql

from clozone.infra.postgres import close_database, init_database_as_owner
from clozone.local.bundle import BACKING, Bundle
from clozone.models import schema
from clozone.settings import Settings

MARKS_DATABASE = 15
FILL_SECONDS = 120

_TABLES = """
CREATE TABLE IF NOT EXISTS bench_rows
  (run text NOT NULL, i integer NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT SELECT, INSERT ON bench_rows TO PUBLIC;
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a run: how many, of how many jobs, and the times of the first and the last."""

    rows: int
    jobs: int
    first: float
    last: float

    @property
    def rate(self) -> float:
        """Jobs per second, from the first row to the last."""
        return (self.rows - 1) / (self.last - self.first)


@dataclass(frozen=True, slots=True)
class Filled:
    """How many seconds enqueueing took, without the start of the process, and when it was over."""

    seconds: float
    at: float


class Stage:
    """PostgreSQL with fsync on and Valkey with its append-only file, from the local bundle."""

    def __init__(self, superuser_url: str, platform: dict[str, str], logs: Path) -> None:
        self.superuser_url = superuser_url
        self._platform = platform
        self._redis_url = platform["REDIS_URL"].rpartition("/")[0]
        self._logs = logs
        self._rows = psycopg.connect(superuser_url, autocommit=True)
        self._marks = redis.Redis.from_url(f"{self._redis_url}/{MARKS_DATABASE}")

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator["Stage"]:
        """Start the servers; they and all data are gone afterwards. Logs stay if something failed."""
        home = Path(tempfile.mkdtemp(prefix="clozone-bench-queue-"))
        # PostgreSQL runs as somebody else when we are root.
        home.chmod(0o755)
        bundle = Bundle(home / "servers", port=0, parts=BACKING)
        bundle.start()
        try:
            _migrate(bundle.environment())
            stage = cls(bundle.superuser_url("clozone"), bundle.environment(), home / "logs")
            stage._rows.execute(_TABLES)
            yield stage
        except BaseException:
            print(f"The contenders' logs are in {home}/logs.")
            raise
        else:
            shutil.rmtree(home / "logs", ignore_errors=True)
        finally:
            bundle.destroy()
            with suppress(OSError):
                home.rmdir()

    def another(self) -> "Stage":
        """The same with a connection of its own, for another thread."""
        return Stage(self.superuser_url, self._platform, self._logs)

    def environment(self, contender: Contender, run: str) -> dict[str, str]:
        """The variables of a contender's processes."""
        return {
            **os.environ,
            **(self._platform if contender.is_ours else {}),
            "PYTHONPATH": str(contender.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
            "BENCH_RUN": run,
            "BENCH_VARIANT": contender.variant,
            "BENCH_BROKER_URL": f"{self._redis_url}/{contender.database}",
            "BENCH_MARKS_URL": f"{self._redis_url}/{MARKS_DATABASE}",
            "BENCH_ROWS_URL": self.superuser_url,
            "BENCH_LEDGER_URL": self._beside(contender),
            **contender.environment,
        }

    def clear(self, contender: Contender) -> None:
        """Give a contender empty tables and an empty broker, and the server no work left over."""
        redis.Redis.from_url(f"{self._redis_url}/{contender.database}").flushdb()
        if contender.is_ours:
            self._rows.execute("TRUNCATE jobs CASCADE")
        if contender.name.startswith("procrastinate"):
            self.make_database(f"bench_{contender.database}")
        self._rows.execute("CHECKPOINT")

    def make_database(self, name: str) -> str:
        """A fresh database; its address for the superuser."""
        quoted = sql.Identifier(name)
        self._rows.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))
        self._rows.execute(sql.SQL("CREATE DATABASE {} OWNER clozone_owner").format(quoted))
        return f"{self.superuser_url.rpartition('/')[0]}/{name}"

    def platform_environment(self, database: str) -> dict[str, str]:
        """The platform's variables, on another database than the bundle's own."""
        urls = ("DATABASE_URL", "DATABASE_MIGRATE_URL")
        moved = {name: f"{self._platform[name].rpartition('/')[0]}/{database}" for name in urls}
        return {**os.environ, **self._platform, **moved, "PYTHONPATH": str(ROOT)}

    def fill(self, contender: Contender, run: str, *words: object) -> Filled:
        """Let a contender enqueue: BODY FIRST JOBS, and what its program takes besides."""
        with self.log(run).open("ab") as log:
            result = subprocess.run(
                [*contender.fill, *map(str, words)],
                cwd=contender.folder,
                env=self.environment(contender, run),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                timeout=FILL_SECONDS,
                check=True,
            )
        return Filled(**json.loads(result.stdout.splitlines()[-1]))

    def start_worker(self, contender: Contender, run: str) -> "subprocess.Popen[bytes]":
        """Start one worker of a contender."""
        return self._start(contender, contender.work, run)

    def start_scheduler(self, contender: Contender, run: str) -> "subprocess.Popen[bytes]":
        """Start the platform's scheduler."""
        return self._start(contender, (*OURS, "scheduler"), run)

    def _start(
        self, contender: Contender, command: tuple[str, ...], run: str
    ) -> "subprocess.Popen[bytes]":
        return start(command, self.environment(contender, run), contender.folder, self.log(run))

    def log(self, run: str) -> Path:
        """Where the processes of a run write."""
        self._logs.mkdir(exist_ok=True)
        return self._logs / f"{run}.log"

    def rows(self, run: str) -> Rows:
        """What a run has committed."""
        row = self._rows.execute(
            "SELECT count(*), count(DISTINCT i), coalesce(extract(epoch FROM min(at)), 0)::float8,"
            " coalesce(extract(epoch FROM max(at)), 0)::float8 FROM bench_rows WHERE run = %s",
            (run,),
        ).fetchone()
        assert row is not None
        return Rows(*row)

    def await_rows(self, run: str, jobs: int, seconds: float) -> Rows:
        """Wait until a run has committed the rows of `jobs` jobs, or the time is over."""
        deadline = time.monotonic() + seconds
        while (rows := self.rows(run)).jobs < jobs and time.monotonic() < deadline:
            time.sleep(0.1)
        return rows

    def finished(self, run: str) -> list[tuple[int, float]]:
        """Job and time of each row of a run."""
        return self._rows.execute(
            "SELECT i, extract(epoch FROM at)::float8 FROM bench_rows WHERE run = %s", (run,)
        ).fetchall()

    def begun(self, run: str) -> list[tuple[int, float]]:
        """Job and time of each start of a job of a run, in order."""
        marks = self._marks.lrange(f"{run}:begun", 0, -1)
        words = [mark.decode().split() for mark in marks]  # type: ignore[union-attr]
        return [(int(i), float(at)) for i, at in words]

    def _beside(self, contender: Contender) -> str:
        return f"{self.superuser_url.rpartition('/')[0]}/bench_{contender.database}"


def _migrate(environment: dict[str, str]) -> None:
    known = {name: environment.get(name.upper()) for name in Settings.model_fields}
    settings = Settings.model_validate({k: v for k, v in known.items() if v is not None})
    init_database_as_owner(settings)
    schema.migrate(settings)
    close_database()
