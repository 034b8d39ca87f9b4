"""Behind PgBouncer in transaction mode, with fewer sessions than clients."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from pydantic import SecretStr, ValidationError
from tests.conftest import settings_from
from tests.support.people import Team
from tests.support.pgbouncer import PROGRAM, pgbouncer
from tests.support.practice import Practice
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.accounts.tokens import AccessTokens
from clozone.infra.postgres import (
    close_database,
    database,
    dedicated_connection,
    init_database,
    one_statement,
    unit_of_work,
)
from clozone.infra.reads import Reads
from clozone.models.accounts import Organization
from clozone.settings import Settings
from clozone.web.identity import Role

needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="no pgbouncer on this machine")


@pytest.fixture(scope="module")
def pooled(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The variables of processes that reach their database through PgBouncer."""
    with pgbouncer(environment["DATABASE_URL"]) as through:
        yield environment | {
            "DATABASE_URL": through,
            "DATABASE_DIRECT_URL": environment["DATABASE_URL"],
            "DATABASE_POOLER": "transaction",
        }


@pytest.fixture
def through_it(pooled: dict[str, str], settings: Settings, platform_db: None) -> Iterator[Settings]:
    """This process itself behind PgBouncer."""
    close_database()
    init_database(settings_from(pooled))
    yield settings_from(pooled)
    close_database()
    init_database(settings)


@needs_pgbouncer
def test_units_of_work_keep_to_their_organisation_and_their_limits(through_it: Settings) -> None:
    practices = [Practice() for _ in range(4)]

    def look(number: int) -> tuple[bool, str, str]:
        practice = practices[number % 4]
        with unit_of_work(practice.scope):
            own = [row.id for row in Organization.select()] == [practice.org_id]
            statement = (
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
            )
            limits = database.execute_sql(statement).fetchone()
            return own, *limits

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(look, range(200)))
    assert found == {(True, "15s", "5s")}


@needs_pgbouncer
def test_nothing_of_a_unit_of_work_is_left_to_the_next_client(through_it: Settings) -> None:
    with unit_of_work(Practice().scope):
        pass
    for _ in range(10):
        who = "SELECT current_user, coalesce(current_setting('clozone.org_id', true), '')"
        assert one_statement(who, {}) == [("clozone_app", "")]


@needs_pgbouncer
def test_a_single_statement_has_its_limit(through_it: Settings) -> None:
    assert one_statement("SELECT current_setting('statement_timeout')", {}) == [("15s",)]


@needs_pgbouncer
async def test_reads_side_by_side_get_their_own_rows(through_it: Settings) -> None:
    reads = Reads(through_it)

    async def read(number: int) -> bool:
        statement = (
            f"SELECT {number} AS text, $1::int AS value, current_setting('statement_timeout')"
        )
        (row,) = await reads.fetch(statement, number)
        return tuple(row) == (number, number, "15s")

    assert all(await asyncio.gather(*(read(number) for number in range(200))))
    await reads.close()


@needs_pgbouncer
def test_locks_are_taken_past_the_pooler(through_it: Settings) -> None:
    direct = through_it.database_direct_url
    assert direct is not None
    with dedicated_connection() as connection:
        assert connection.info.port == urlsplit(direct.get_secret_value()).port


@needs_pgbouncer
def test_a_web_process_works(
    pooled: dict[str, str], team: Team, settings: Settings, tmp_path: Path
) -> None:
    port = free_port()
    token = AccessTokens(settings).issue(team.people["admin"], team.org_id, Role.admin)
    log = tmp_path / "web.log"
    with (
        PlatformProcess(["web", "--bind", f"127.0.0.1:{port}"], pooled, log),
        httpx2.Client(
            base_url=f"http://127.0.0.1:{port}/api",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        ) as admin,
    ):
        await_http(f"http://127.0.0.1:{port}/api/health/ready")
        for number in range(10):
            body = {"name": str(number), "role": "rep", "scopes": ["read"]}
            assert admin.post("/api-keys", json=body).status_code == 201
        keys = admin.get("/api-keys").json()["items"]
        assert [key["name"] for key in keys] == [str(number) for number in range(9, -1, -1)]


def test_a_pooler_without_the_servers_own_address_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs DATABASE_DIRECT_URL"):
        Settings(database_pooler="transaction", database_url=SecretStr("postgresql://x@y/z"))
