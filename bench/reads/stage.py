"""What a run stands on: the bundle's servers with the data on them, both stacks, and who asks."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from bench.reads.loading import Loading
from bench.reads.people import People
from bench.reads.stacks import Stacks
from bench.reads.stores import Stores
from bench.reads.wrk import Requests

from clozone.local.bundle import BACKING, Bundle

# As a machine of this size would be set up, for both alike; the bundle's own values are a laptop's.
_POSTGRESQL = {"shared_buffers": "1GB", "max_wal_size": "4GB", "maintenance_work_mem": "512MB"}


class Stage:
    """The stores, the stacks on them, and the people."""

    def __init__(self, home: Path, bundle: Bundle, modules: Path) -> None:
        platform = bundle.environment()
        self._home = home
        self._written = 0
        self.people = People(platform["JWT_SECRET"])
        self.webhook_secret = platform["VAPI_WEBHOOK_SECRET"]
        self.stores = Stores(bundle.superuser_url("clozone"), platform["REDIS_URL"])
        self.stacks = Stacks(home, self.stores, platform, modules)

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
            with psycopg.connect(bundle.superuser_url(), autocommit=True) as connection:
                loading = Loading(connection, bundle.superuser_url(), bundle.environment())
                for size in sizes:
                    loading.provide(size, fresh=fresh)
            yield cls(home, bundle, modules)
        finally:
            bundle.stop()
            for folder in ("logs", "requests"):
                shutil.rmtree(home / folder, ignore_errors=True)

    def requests(self, lines: Sequence[str]) -> Requests:
        """Lines of "PATH" or "PATH TOKEN" for wrk."""
        folder = self._home / "requests"
        folder.mkdir(exist_ok=True)
        self._written += 1
        return Requests.written(folder / f"{self._written}.txt", lines)


def _set_up_postgresql(bundle: Bundle) -> None:
    with psycopg.connect(bundle.superuser_url(), autocommit=True) as connection:
        row = connection.execute("SHOW shared_buffers").fetchone()
        if row == (_POSTGRESQL["shared_buffers"],):
            return
        for name, value in _POSTGRESQL.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    bundle.restart("postgres")
