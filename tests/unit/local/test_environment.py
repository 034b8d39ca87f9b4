from pathlib import Path

import pytest

from clozone.local.environment import OFFLINE_MODEL, platform_environment, platform_settings
from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.keys import Keys
from clozone.local.options import Options
from clozone.local.plan import Plan

KEYS = Keys()
PORTS = {"postgres": 16_001, "valkey": 16_002, "s3": 16_003, "offline-model": 16_004}

ADDRESSES = (
    *("DATABASE_URL", "DATABASE_MIGRATE_URL", "REDIS_URL", "REDIS_CACHE_URL"),
    *("S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY", "CLOZONE_HOME"),
)


def _plan(**env: str) -> Plan:
    return Plan(Home(Path("/home/a b")), KEYS, PORTS, 8080, Options.from_environment({}), env)


def test_without_a_model_the_offline_model_answers() -> None:
    env = platform_environment(_plan())
    assert env["OPENAI_BASE_URL"] == "http://127.0.0.1:16004/v1"
    assert env["OPENAI_API_KEY"] == "offline"
    assert env["LLM_MODEL"] == OFFLINE_MODEL


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_one_word_about_a_model_is_enough_to_leave_the_offline_model_out(name: str) -> None:
    env = platform_environment(_plan(**{name: "something"}))
    assert not {"OPENAI_API_KEY", "OPENAI_BASE_URL", "LLM_MODEL"} & env.keys()


def test_the_persons_settings_win() -> None:
    env = platform_environment(_plan(JWT_SECRET="mine" * 10, PUBLIC_URL="https://c.example"))
    assert env["JWT_SECRET"] == "mine" * 10
    assert env["PUBLIC_URL"] == "https://c.example"


def test_the_addresses_of_the_servers_are_the_bundles() -> None:
    elsewhere = dict.fromkeys(ADDRESSES, "elsewhere")
    env = platform_environment(_plan(**elsewhere))
    assert [name for name in elsewhere if env[name] == "elsewhere"] == []


def test_an_empty_variable_does_not_win() -> None:
    assert platform_environment(_plan(JWT_SECRET=""))["JWT_SECRET"] == KEYS.jwt_secret


def test_what_is_on_this_machine_is_not_asked_through_a_proxy() -> None:
    env = platform_environment(_plan(NO_PROXY="intranet,127.0.0.1"))
    assert env["NO_PROXY"] == env["no_proxy"] == "intranet,127.0.0.1,localhost"


def test_the_queue_and_the_cache_are_two_databases() -> None:
    env = platform_environment(_plan())
    assert env["REDIS_URL"].endswith("16002/0")
    assert env["REDIS_CACHE_URL"].endswith("16002/1")


def test_wrong_settings_are_named_before_anything_starts() -> None:
    with pytest.raises(BundleError, match="LLM_TIMEOUT_SECONDS"):
        platform_settings(_plan(LLM_TIMEOUT_SECONDS="soon"))
    assert platform_settings(_plan(LLM_TIMEOUT_SECONDS="9")).llm_timeout_seconds == 9
