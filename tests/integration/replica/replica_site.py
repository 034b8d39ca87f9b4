"""A platform with a real standby: what to do to it, and what to ask it."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import psycopg
from tests.conftest import settings_from
from tests.support.platform import eventually

from clozone.accounts.tokens import AccessTokens
from clozone.kit.ids import new_id
from clozone.local.bundle import Bundle
from clozone.local.identity import entries
from clozone.local.process import ManagedProcess
from clozone.settings import Settings
from clozone.web.identity import Role

KEYS = "/api/api-keys"


@dataclass
class Site:
    """A primary, its standby, and a web process that reads from both."""

    bundle: Bundle
    environment: dict[str, str]
    folder: Path
    address: str = ""

    @property
    def settings(self) -> Settings:
        return settings_from(self.environment)

    @property
    def replica(self) -> ManagedProcess:
        return self.bundle.process("replica")

    def rows(self, server: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the superuser finds on `postgres` or `replica`."""
        url = psycopg.conninfo.make_conninfo(
            self.bundle.superuser_url("clozone"), port=self.bundle.process(server).spec.port
        )
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def lists_read_on(self, server: str) -> int:
        """How many lists of API keys this server has given since it started."""
        find = """SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements
            WHERE query LIKE '%%FROM "api_keys"%%' AND query LIKE '%%ORDER BY%%'"""
        ((calls,),) = self.rows(server, find)
        return int(calls)

    def admin(self, org_id: UUID) -> httpx2.Client:
        """A client signed in as a new administrator of the organisation, which is made at need."""
        user_id = new_id()
        self.rows(
            "postgres",
            "INSERT INTO organizations VALUES (%s, 'Acme', now()) ON CONFLICT DO NOTHING",
            org_id,
        )
        self.rows(
            "postgres",
            """INSERT INTO profiles (id, org_id, email, full_name, role, active, created_at, updated_at)
            VALUES (%s, %s, %s, 'Ada', 'admin', true, now(), now())""",
            *(user_id, org_id, f"{user_id}@example.com"),
        )
        token = AccessTokens(self.settings).issue(user_id, org_id, Role.admin)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False)

    def health(self, address: str | None = None) -> dict[str, Any]:
        """How a web process, the site's own by default, says the replica is."""
        url = f"{address or self.address}/api/health"
        answer = httpx2.get(url, timeout=30, trust_env=False).json()
        return dict(answer["components"]["replica"])

    def await_replica(self, address: str | None = None) -> None:
        """Wait until a web process, the site's own by default, reads from the replica."""
        eventually(lambda: self.health(address)["status"] == "up")

    def freeze(self, signum: int) -> None:
        """Send every process of the standby SIGSTOP or SIGCONT."""
        server = self.replica.pid
        assert server is not None
        for each in [*entries()]:
            # Each process of PostgreSQL has a session of its own.
            if server in (each.pid, each.parent):
                os.kill(each.pid, signum)

    def thaw(self) -> None:
        """Let the standby go on, whatever was done to it."""
        self.freeze(signal.SIGCONT)
        self.rows("replica", "SELECT pg_wal_replay_resume()")


def make_key(admin: httpx2.Client, name: str) -> None:
    body = {"name": name, "role": "rep", "scopes": ["read"]}
    admin.post(KEYS, json=body).raise_for_status()


def names_of_keys(admin: httpx2.Client) -> list[str]:
    answer = admin.get(KEYS)
    answer.raise_for_status()
    return [key["name"] for key in answer.json()["items"]]
