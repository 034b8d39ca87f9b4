"""Addresses of libpq as asyncpg's arguments."""

import pytest

from clozone.kit.postgres_address import asyncpg_arguments


def test_what_asyncpg_knows_is_passed_on() -> None:
    address = "postgresql://ada:s%40fe@db:6432/clozone?sslmode=verify-full&sslrootcert=/ca.pem"
    assert asyncpg_arguments(f"{address}&target_session_attrs=read-write") == {
        "dsn": "postgresql:///?sslmode=verify-full&sslrootcert=%2Fca.pem"
        "&target_session_attrs=read-write",
        "user": "ada",
        "password": "s@fe",
        "host": ["db"],
        "port": 6432,
        "database": "clozone",
    }


def test_several_hosts_and_sockets() -> None:
    found = asyncpg_arguments("postgresql://ada@one:1,[::1]:2/clozone")
    assert (found["host"], found["port"]) == (["one", "::1"], [1, 2])
    found = asyncpg_arguments("host=/run/postgresql dbname=clozone options='-c geqo=off'")
    assert found["host"] == ["/run/postgresql"]
    assert found["server_settings"] == {"options": "-c geqo=off"}


@pytest.mark.parametrize(
    "harmless",
    [
        "connect_timeout=5",
        "sslmode=prefer&channel_binding=prefer",
        "keepalives_idle=10&keepalives_count=3",
        "application_name=mine&gssencmode=disable",
    ],
)
def test_what_may_be_left_out_reaches_no_server(harmless: str) -> None:
    found = asyncpg_arguments(f"postgresql://ada@db/clozone?{harmless}")
    assert set(found) == {"dsn", "user", "host", "database"}
    assert found["dsn"] in {"postgresql:///?", "postgresql:///?sslmode=prefer"}


@pytest.mark.parametrize(
    "refused",
    [
        "channel_binding=require",
        "gssencmode=require",
        "require_auth=scram-sha-256",
        "hostaddr=127.0.0.1",
        "sslrootcert=system",
    ],
)
def test_what_cannot_be_kept_is_refused(refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        asyncpg_arguments(f"postgresql://ada@db/clozone?{refused}")


def test_what_is_no_address_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="no address") as refused:
        asyncpg_arguments("postgresql://ada:secret@db:x:y/clozone?")
    assert "secret" not in str(refused.value)
