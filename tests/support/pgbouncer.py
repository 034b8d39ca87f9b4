"""A real PgBouncer in transaction mode before a test database."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from tests.support.processes import free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
# PostgreSQL has fewer sessions than there are clients: they must share them.
SESSIONS = 2
_NOBODY = 65_534

_CONFIGURATION = """\
[databases]
{name} = host={host} port={port} dbname={name} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 200
"""


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Run one before the database at `url`; the address through it."""
    assert PROGRAM is not None
    parts = urlsplit(url)
    own_port = free_port()
    with tempfile.TemporaryDirectory(prefix="clozone-pgbouncer-") as folder:
        file = Path(folder) / "pgbouncer.ini"
        file.write_text(
            _CONFIGURATION.format(
                name=parts.path[1:],
                host=parts.hostname,
                port=parts.port,
                user=parts.username,
                password=parts.password,
                own_port=own_port,
                sessions=SESSIONS,
            )
        )
        somebody = {}
        if os.geteuid() == 0:
            # It does not run as root.
            for path in (file, file.parent):
                os.chown(path, _NOBODY, _NOBODY)
            somebody = {"user": _NOBODY, "group": _NOBODY}
        process = subprocess.Popen([PROGRAM, "-q", str(file)], **somebody)  # type: ignore[call-overload]
        through = parts._replace(netloc=f"{parts.username}@127.0.0.1:{own_port}").geturl()
        try:
            _await(through)
            yield through
        finally:
            process.terminate()
            process.wait(10)


def _await(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with psycopg.connect(url, connect_timeout=2):
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
