import asyncio

import pytest

from clozone.health.check import Check, Degraded, NotUp
from clozone.health.schemas import HealthStatus
from clozone.infra.heartbeat import beat
from clozone.infra.redis import sync_redis

AWAY = "postgresql://nobody@127.0.0.1:1/none"


def states(response) -> dict[str, str]:
    return {name: part["status"] for name, part in response.json()["components"].items()}


def test_what_is_away_but_not_needed_degrades(start, servers):
    # A store of its own: other tests' schedulers beat in the shared one.
    redis_url = f"{servers['redis_url'].rsplit('/', 1)[0]}/15"
    redis = sync_redis(redis_url)
    site = start(
        redis_url=redis_url,
        openai_base_url="http://127.0.0.1:1/v1",
        s3_endpoint="http://127.0.0.1:1",
    )
    beat(redis, "worker", "worker-1")
    response = site.client.get("/api/health")
    found = states(response)
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["instance"] == "web-1"
    assert (found["postgres"], found["migrations"], found["redis"]) == ("up", "up", "up")
    assert (found["worker"], found["scheduler"]) == ("up", "down")
    assert (found["object_storage"], found["model"]) == ("down", "down")
    assert site.client.get("/api/health/ready").status_code == 200


def test_without_redis_the_platform_still_takes_requests(start):
    site = start(redis_url="redis://127.0.0.1:1/0")
    response = site.client.get("/api/health")
    assert response.status_code == 200
    assert states(response)["redis"] == "down"
    assert site.client.get("/api/health/ready").status_code == 200


def test_without_the_database_it_does_not(start):
    site = start(database_url=AWAY)
    response = site.client.get("/api/health")
    assert response.status_code == 503
    assert response.json()["status"] == "down"
    assert states(response)["postgres"] == "down"
    ready = site.client.get("/api/health/ready")
    assert (ready.status_code, ready.json()["code"]) == (503, "unavailable")
    assert site.client.get("/api/health/live").status_code == 200


def test_a_database_without_our_schema_is_not_ready(start, servers):
    url = servers["database_url"].rsplit("/", 1)[0] + "/postgres"
    site = start(database_url=url)
    assert states(site.client.get("/api/health"))["migrations"] == "down"
    assert site.client.get("/api/health/ready").status_code == 503


def test_health_tells_strangers_no_addresses(start):
    site = start(database_url=AWAY, redis_url="redis://:pass-word@127.0.0.1:1/0")
    text = site.client.get("/api/health").text
    assert "127.0.0.1" not in text
    assert "pass-word" not in text


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (None, (HealthStatus.up, "fine")),
        (Degraded("slow today"), (HealthStatus.degraded, "slow today")),
        (NotUp("gone"), (HealthStatus.down, "gone")),
        (OSError("10.0.0.1 refused"), (HealthStatus.down, "OSError")),
    ],
)
def test_a_check_tells_what_its_probe_found(outcome, expected):
    async def probe() -> str:
        if outcome is not None:
            raise outcome
        return "fine"

    found = asyncio.run(Check("part", probe, timeout_seconds=5, fresh_seconds=5).result())
    assert (found.status, found.detail) == expected


def test_however_many_ask_a_component_is_asked_once():
    asked = []

    async def probe() -> None:
        asked.append(1)
        await asyncio.sleep(0)

    async def main() -> None:
        check = Check("part", probe, timeout_seconds=5, fresh_seconds=60)
        await asyncio.gather(*(check.result() for _ in range(20)))
        await check.result()

    asyncio.run(main())
    assert len(asked) == 1


def test_a_probe_that_hangs_is_reported_and_not_started_again():
    asked = []

    async def probe() -> None:
        asked.append(1)
        await asyncio.Event().wait()

    async def main() -> list[HealthStatus]:
        check = Check("part", probe, timeout_seconds=0.01, fresh_seconds=0)
        return [(await check.result()).status for _ in range(3)]

    assert asyncio.run(main()) == [HealthStatus.down] * 3
    assert len(asked) == 1
