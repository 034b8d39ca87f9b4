"""Reads by asyncpg: against the real server, as the application's login."""

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import psycopg
import pytest
from peewee import OperationalError
from tests.support.processes import free_port

from clozone.infra.reads import Reads
from clozone.kit.errors import Unavailable
from clozone.settings import Settings


@pytest.fixture
async def reads(settings: Settings) -> AsyncIterator[Reads]:
    reads = Reads(settings)
    yield reads
    await reads.close()


async def test_a_read_gives_rows(reads: Reads) -> None:
    rows = await reads.fetch("SELECT $1::int + 1 AS sum, current_user AS who", 41)
    assert [tuple(row) for row in rows] == [(42, "clozone_app")]


async def test_a_write_is_refused(reads: Reads) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await reads.fetch("CREATE TABLE never (id int)")


async def test_what_a_read_sets_is_gone_with_it(settings: Settings) -> None:
    reads = Reads(settings.model_copy(update={"database_read_connections": 1}))
    await reads.fetch("SELECT set_config('role', 'clozone_tenant', true)")
    rows = await reads.fetch("SELECT current_user")
    assert rows[0][0] == "clozone_app"
    await reads.close()


async def test_a_connection_that_was_cut_costs_no_read(
    reads: Reads, environment: dict[str, str]
) -> None:
    (before,) = await reads.fetch("SELECT pg_backend_pid() AS pid")
    with psycopg.connect(environment["SUPERUSER_URL"], autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s)", (before["pid"],))
    (after,) = await reads.fetch("SELECT pg_backend_pid() AS pid")
    assert after["pid"] != before["pid"]


async def test_a_connection_that_is_cut_during_a_read_costs_no_read(
    reads: Reads, settings: Settings
) -> None:
    url = settings.database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(4711)")
        waiting = asyncio.create_task(reads.fetch("SELECT pg_advisory_xact_lock_shared(4711)"))
        await asyncio.to_thread(_cut_who_waits, other)
    assert len(await waiting) == 1


def _cut_who_waits(other: "psycopg.Connection[tuple[int]]") -> None:
    find = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not (found := other.execute(find).fetchall()):
        time.sleep(0.01)
    other.execute("SELECT pg_terminate_backend(%s)", found[0])


async def test_a_slow_statement_is_ended_by_the_server(settings: Settings) -> None:
    reads = Reads(settings.model_copy(update={"database_statement_timeout_ms": 100}))
    with pytest.raises(OperationalError, match="statement timeout"):
        await reads.fetch("SELECT pg_sleep(30)")
    await reads.close()


async def test_who_finds_every_connection_taken_is_told_to_come_back(settings: Settings) -> None:
    few = {"database_read_connections": 1, "offload_wait_seconds": 0.2}
    reads = Reads(settings.model_copy(update=few))
    slow = asyncio.create_task(reads.fetch("SELECT pg_sleep(2)"))
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable) as refused:
        await reads.fetch("SELECT 1")
    assert refused.value.headers == {"Retry-After": "1"}
    assert reads.waits()["reads"].refused == 1
    await slow
    await reads.close()


async def test_a_server_that_is_away_is_said_to_be(settings: Settings) -> None:
    away = f"postgresql://clozone_app@127.0.0.1:{free_port()}/clozone"
    reads = Reads(settings.model_validate({**settings.model_dump(), "database_url": away}))
    with pytest.raises(OperationalError):
        await reads.fetch("SELECT 1")
    await reads.close()


@pytest.mark.parametrize(
    "ordinary", ["connect_timeout=5", "sslmode=prefer&channel_binding=prefer", "keepalives_idle=9"]
)
async def test_ordinary_parameters_of_an_address_cost_no_read(
    settings: Settings, ordinary: str
) -> None:
    reads = Reads(_at(settings, f"{settings.database_url.get_secret_value()}?{ordinary}"))
    assert [tuple(row) for row in await reads.fetch("SELECT 1")] == [(1,)]
    await reads.close()


@pytest.mark.parametrize("wrong", ["user", "database"])
async def test_a_server_that_refuses_the_login_is_away(settings: Settings, wrong: str) -> None:
    url = settings.database_url.get_secret_value()
    changed = {"user": "nobody"} if wrong == "user" else {"dbname": "nothing"}
    reads = Reads(_at(settings, psycopg.conninfo.make_conninfo(url, **changed)))
    with pytest.raises(OperationalError):
        await reads.fetch("SELECT 1")
    await reads.close()


def _at(settings: Settings, address: str) -> Settings:
    return settings.model_validate({**settings.model_dump(), "database_url": address})
