import psycopg
import pytest
import redis

from clozone.infra.object_storage import ObjectStorage
from clozone.local.bundle import Bundle
from clozone.settings import Settings


@pytest.fixture(scope="module")
def settings(backing: Bundle) -> Settings:
    env = backing.environment()
    known = {name: env[name.upper()] for name in Settings.model_fields if name.upper() in env}
    return Settings.model_validate(known)


def test_the_application_is_nobody_special_in_the_database(settings: Settings) -> None:
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        row = connection.execute(
            "SELECT current_database(), current_user, rolsuper, rolcreaterole, rolinherit "
            "FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == ("clozone", "clozone_app", False, False, False)


def test_the_owner_owns_the_database_and_may_make_roles(settings: Settings) -> None:
    assert settings.database_migrate_url is not None
    with psycopg.connect(settings.database_migrate_url.get_secret_value()) as connection:
        row = connection.execute(
            "SELECT datdba::regrole::text, rolcreaterole, rolsuper FROM pg_database, pg_roles "
            "WHERE datname = current_database() AND rolname = current_user"
        ).fetchone()
    assert row == ("clozone_owner", True, False)


def test_a_wrong_password_does_not_open_the_database(settings: Settings) -> None:
    url = settings.database_url.get_secret_value().replace("clozone_app:", "clozone_app:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_statements_are_counted_and_writes_are_durable(backing: Bundle) -> None:
    with psycopg.connect(backing.superuser_url("clozone")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_statements").fetchone() != (0,)
        shown = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "synchronous_commit", "wal_level", "timezone")
        ]
    assert shown == [("on",), ("on",), ("replica",), ("UTC",)]


def test_valkey_needs_the_password_and_keeps_what_it_is_told(settings: Settings) -> None:
    with redis.Redis.from_url(settings.redis_url, decode_responses=True) as client:
        assert client.config_get("appendonly")["appendonly"] == "yes"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        port = client.connection_pool.connection_kwargs["port"]
    with (
        redis.Redis(port=port) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.ping()


def test_the_bucket_is_there(settings: Settings) -> None:
    storage = ObjectStorage.from_settings(settings)
    storage.put("a/b c.txt", b"kept", "text/plain")
    assert storage.get("a/b c.txt") == b"kept"


def test_a_wrong_key_does_not_open_the_bucket(settings: Settings) -> None:
    stranger = settings.model_copy(update={"s3_access_key": "somebody"})
    with pytest.raises(Exception, match="S3_ACCESS_KEY"):
        ObjectStorage.from_settings(stranger).get("a/b c.txt")


def test_nobody_but_the_owner_enters_the_folders(backing: Bundle) -> None:
    root = backing.home.root
    for name in ("logs", "run", "s3", "valkey", "postgres"):
        assert (root / name).stat().st_mode & 0o077 == 0, name
    for file in ("keys.json", "valkey/valkey.conf", "run/state.json"):
        assert (root / file).stat().st_mode & 0o077 == 0, file
