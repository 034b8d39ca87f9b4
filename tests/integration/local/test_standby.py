"""The standby of the bundle: it follows, it is kept from start to start, it is made anew at need."""

import time
from pathlib import Path

import psycopg
import pytest

from clozone.local.bundle import EXTRAS, Bundle
from clozone.local.postgres_standby import SLOT

PARTS = {"postgres"} | EXTRAS


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("standby") / "home"


def test_the_standby_follows_and_is_kept(home: Path) -> None:
    bundle = Bundle(home, port=0, parts=PARTS)
    try:
        with bundle:
            _write(bundle, "first")
            _await_rows(bundle, ["first"])
            assert [process.name for process in bundle.processes] == ["postgres", "replica"]
            made = _made(home)
        with bundle:
            _write(bundle, "second")
            _await_rows(bundle, ["first", "second"])
            assert _made(home) == made
        with Bundle(home, port=0, parts={"postgres"}) as alone:
            _write(alone, "third")
            assert "DATABASE_REPLICA_URL" not in alone.environment()
        with bundle:
            _await_rows(bundle, ["first", "second", "third"])
            assert _made(home) == made
    finally:
        bundle.destroy()


def test_a_copy_that_cannot_follow_any_more_is_made_anew(home: Path) -> None:
    bundle = Bundle(home, port=0, parts=PARTS)
    try:
        with bundle:
            made = _made(home)
        with Bundle(home, port=0, parts={"postgres"}) as alone:
            with psycopg.connect(alone.superuser_url(), autocommit=True) as primary:
                primary.execute("SELECT pg_drop_replication_slot(%s)", (SLOT,))
            _write(alone, "without it")
        with bundle:
            _await_rows(bundle, ["without it"])
            assert _made(home) != made
    finally:
        bundle.destroy()


def test_the_slot_of_a_standby_that_stays_away_is_bounded(home: Path) -> None:
    bundle = Bundle(home, port=0, parts=PARTS)
    try:
        with bundle, psycopg.connect(bundle.superuser_url(), autocommit=True) as primary:
            slots = primary.execute(
                "SELECT slot_name, safe_wal_size <= 600 * 1024 * 1024 FROM pg_replication_slots"
            ).fetchall()
        assert slots == [(SLOT, True)]
    finally:
        bundle.destroy()


def _write(bundle: Bundle, text: str) -> None:
    with psycopg.connect(bundle.superuser_url(), autocommit=True) as primary:
        primary.execute("CREATE TABLE IF NOT EXISTS said (text text)")
        primary.execute("INSERT INTO said VALUES (%s)", (text,))


def _await_rows(bundle: Bundle, expected: list[str]) -> None:
    url = bundle.environment()["DATABASE_REPLICA_URL"]
    port = psycopg.conninfo.conninfo_to_dict(url)["port"]
    standby = psycopg.conninfo.make_conninfo(bundle.superuser_url(), port=port)
    deadline = time.monotonic() + 30
    with psycopg.connect(standby, autocommit=True) as connection:
        while True:
            found: list[str] = []
            if connection.execute("SELECT to_regclass('said') IS NOT NULL").fetchone() == (True,):
                found = [text for (text,) in connection.execute("SELECT text FROM said")]
            if found == expected:
                return
            assert time.monotonic() < deadline, f"the standby has {found}"
            time.sleep(0.02)


def _made(home: Path) -> int:
    """When the copy was made: its folder's own number."""
    return (home / "replica" / "data" / "PG_VERSION").stat().st_ino
