"""The watch and the reads by asyncpg, in this process, against the real standby."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from peewee import OperationalError
from replica_site import Site

from clozone.infra.log_position import UNKNOWN_POSITION
from clozone.infra.postgres import close_database, init_database
from clozone.infra.reads import Reads
from clozone.infra.replica import ReplicaWatch, write_position
from clozone.settings import Settings

WHERE = "SELECT pg_is_in_recovery() AS on_replica"


@pytest.fixture
async def watch(site: Site) -> AsyncIterator[ReplicaWatch]:
    url = site.environment["DATABASE_REPLICA_URL"]
    watch = ReplicaWatch(site.settings, url)
    watch.start()
    yield watch
    await watch.close()


@pytest.fixture
async def reads(site: Site, watch: ReplicaWatch) -> AsyncIterator[Reads]:
    reads = Reads(site.settings, watch)
    yield reads
    await reads.close()


@pytest.fixture
def other_database(settings: Settings, platform_db: None) -> Iterator[None]:
    """This process's pool may be pointed elsewhere; other tests find it where it was."""
    close_database()
    yield
    close_database()
    init_database(settings)


async def until(watch: ReplicaWatch, *, fit: bool) -> None:
    """Wait until the watch thinks so."""
    async with asyncio.timeout(60):
        while (watch.state.unfit is None) != fit:  # noqa: ASYNC110 - it is asked, as by requests
            await asyncio.sleep(0.02)


async def reached(watch: ReplicaWatch, position: int) -> None:
    """Wait until the watch knows that the replica has everything up to there."""
    async with asyncio.timeout(60):
        while not watch.has(position):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def on_replica(reads: Reads, after: int = 0) -> bool:
    (row,) = await reads.fetch(WHERE, after=after)
    return bool(row["on_replica"])


async def test_reads_go_to_the_replica_once_it_is_known(reads: Reads, watch: ReplicaWatch) -> None:
    assert not await on_replica(reads)
    await until(watch, fit=True)
    assert await on_replica(reads)


async def test_a_read_that_must_include_more_goes_to_the_primary(
    reads: Reads, watch: ReplicaWatch
) -> None:
    await until(watch, fit=True)
    assert await on_replica(reads, after=watch.state.replayed)
    assert not await on_replica(reads, after=UNKNOWN_POSITION)


async def test_reads_in_progress_on_a_frozen_replica_move_to_the_primary(
    site: Site, reads: Reads, watch: ReplicaWatch
) -> None:
    await until(watch, fit=True)
    assert await on_replica(reads)
    site.freeze(signal.SIGSTOP)
    answers = await asyncio.gather(*(on_replica(reads) for _ in range(20)))
    assert answers == [False] * 20
    assert not watch.has(0)
    site.freeze(signal.SIGCONT)
    await until(watch, fit=True)
    assert await on_replica(reads)


async def test_a_read_in_the_way_of_what_is_replayed_is_repeated_on_the_primary(
    site: Site, reads: Reads, watch: ReplicaWatch
) -> None:
    await until(watch, fit=True)
    site.rows("postgres", "CREATE TABLE in_the_way AS SELECT generate_series(1, 1000) AS id")
    site.rows("postgres", "GRANT SELECT ON in_the_way TO clozone_app")
    ((position,),) = site.rows("postgres", "SELECT pg_current_wal_lsn() - '0/0'")
    await reached(watch, int(position))
    slow_there = "CASE WHEN pg_is_in_recovery() THEN pg_sleep(60) END"
    statement = f"{WHERE}, {slow_there}, (SELECT count(*) FROM in_the_way) AS found"
    reading = asyncio.create_task(reads.fetch(statement))
    await asyncio.sleep(0.5)
    # The standby cannot remove these rows while somebody there still sees them.
    for change in ("DELETE FROM in_the_way", "VACUUM in_the_way"):
        await asyncio.to_thread(site.rows, "postgres", change)
    (row,) = await reading
    assert (row["on_replica"], row["found"]) == (False, 0)


async def test_what_the_replica_alone_refuses_is_repeated_on_the_primary(
    reads: Reads, watch: ReplicaWatch
) -> None:
    await until(watch, fit=True)
    # The error of a table that is not there, on the replica only.
    refuse = "CASE WHEN pg_is_in_recovery() THEN $1::text::regclass::oid::int ELSE 0 END"
    (row,) = await reads.fetch(f"{WHERE}, {refuse}", "nowhere")
    assert not row["on_replica"]


async def test_a_statement_that_is_too_slow_itself_is_not_repeated(
    site: Site, watch: ReplicaWatch
) -> None:
    await until(watch, fit=True)
    limit = {"database_statement_timeout_ms": 500}
    reads = Reads(site.settings.model_copy(update=limit), watch)
    slow_there = "CASE WHEN pg_is_in_recovery() THEN pg_sleep(30) END"
    with pytest.raises(OperationalError, match="statement timeout"):
        await reads.fetch(f"{WHERE}, {slow_there}")
    await reads.close()


async def test_the_position_of_a_write_is_reached_by_the_replica(
    site: Site, watch: ReplicaWatch, other_database: None
) -> None:
    init_database(site.settings)
    await until(watch, fit=True)
    site.rows("replica", "SELECT pg_wal_replay_pause()")
    site.rows("postgres", "CREATE TABLE written (id int)")
    position = write_position()
    await asyncio.sleep(1.5)
    assert not watch.has(position)
    site.rows("replica", "SELECT pg_wal_replay_resume()")
    await reached(watch, position)


def test_without_a_replica_nobody_is_asked_for_a_position(other_database: None) -> None:
    nowhere = {"database_url": "postgresql://nobody@127.0.0.1:9/nothing"}
    init_database(Settings.model_validate(nowhere))
    assert write_position() == UNKNOWN_POSITION
    with_replica = nowhere | {"database_replica_url": "postgresql://nobody@127.0.0.1:9/nothing"}
    init_database(Settings.model_validate(with_replica))
    assert write_position() == UNKNOWN_POSITION
