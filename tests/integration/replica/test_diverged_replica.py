"""A standby that follows another primary than ours, though it is a copy of the same cluster."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from tests.conftest import settings_from

from clozone.infra.replica import ReplicaState, ReplicaWatch
from clozone.local.bundle import Bundle
from clozone.local.postgres_place import find_place

PARTS = {"postgres", "valkey", "replica"}


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bundle, Bundle]]:
    """Two primaries with a standby each, one the copy of the other; the copy has gone further.

    The standby of the first is promoted: a new primary, on a timeline of its own.
    """
    folder = tmp_path_factory.mktemp("twins")
    with ExitStack() as stack:
        first = Bundle(folder / "first", port=0, parts=PARTS)
        stack.callback(first.destroy)
        with first:
            _run(_address(first, "postgres"), "CREATE ROLE clozone_tenant")
            _run(_address(first, "postgres"), "GRANT clozone_tenant TO clozone_app")
        second = Bundle(folder / "second", port=0, parts=PARTS)
        stack.callback(second.destroy)
        _copy(first, second)
        stack.enter_context(first)
        stack.enter_context(second)
        _run(_address(first, "replica"), "SELECT pg_promote()")
        _run(_address(second, "postgres"), "CREATE TABLE more AS SELECT generate_series(1, 300000)")
        yield first, second


async def test_a_standby_on_another_timeline_is_not_read_from(
    twins: tuple[Bundle, Bundle],
) -> None:
    first, second = twins
    state = await _settled(first.environment()["DATABASE_REPLICA_URL"], second)
    assert state.unfit is not None
    assert "timeline 1 and the primary on 2" in state.unfit


async def test_a_standby_that_has_what_the_primary_never_wrote_is_not_read_from(
    twins: tuple[Bundle, Bundle],
) -> None:
    first, second = twins
    state = await _settled(first.environment()["DATABASE_URL"], second)
    assert state.unfit is not None
    assert "ahead of the primary" in state.unfit


async def test_the_standby_of_this_primary_is_read_from(twins: tuple[Bundle, Bundle]) -> None:
    _, second = twins
    state = await _settled(second.environment()["DATABASE_URL"], second)
    assert state.unfit is None


def _copy(first: Bundle, second: Bundle) -> None:
    subprocess.run(["cp", "-a", first.home.root, second.home.root], check=True)
    for name in ("postgres", "replica"):
        folder = second.home.folder(name)
        if folder.is_symlink():
            # The data lie elsewhere, where the server's account can reach them.
            data = folder.resolve() / "data"
            folder.unlink()
            subprocess.run(["cp", "-a", data, find_place(second.home, name).data], check=True)


async def _settled(primary: str, bundle: Bundle) -> ReplicaState:
    """What is thought of the bundle's standby as one of `primary`."""
    environment = bundle.environment()
    await asyncio.to_thread(_await_replay, bundle)
    watch = ReplicaWatch(
        settings_from(environment | {"DATABASE_URL": primary}), environment["DATABASE_REPLICA_URL"]
    )
    try:
        await watch.look()
        return watch.state
    finally:
        await watch.close()


def _await_replay(bundle: Bundle) -> None:
    """Wait until the standby has everything."""
    with psycopg.connect(_address(bundle, "postgres")) as primary:
        found = primary.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
    assert found is not None
    deadline = time.monotonic() + 60
    with psycopg.connect(_address(bundle, "replica"), autocommit=True) as replica:
        while replica.execute(
            "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", found
        ).fetchone() != (True,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _address(bundle: Bundle, server: str) -> str:
    return psycopg.conninfo.make_conninfo(
        bundle.superuser_url("clozone"), port=bundle.process(server).spec.port
    )


def _run(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]
