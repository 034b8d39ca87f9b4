"""How each component is asked."""

import httpx2
from redis.asyncio import Redis

from clozone.health.check import Degraded, NotUp
from clozone.infra import postgres
from clozone.infra.heartbeat import alive
from clozone.kit.errors import Unavailable
from clozone.models.schema import pending
from clozone.settings import Settings
from clozone.web.offload import on_database_thread

OPENAI_BASE_URL = "https://api.openai.com/v1"


async def postgres_answers() -> None:
    """A statement on a pooled connection. Every connection taken is busy, not away."""
    try:
        await on_database_thread(postgres.ping)
    except Unavailable:
        raise Degraded("every connection is busy") from None


async def schema_is_current() -> None:
    """No migration of this version is missing in the database."""
    try:
        names = await on_database_thread(_pending)
    except Unavailable:
        raise Degraded("every connection is busy") from None
    if names:
        raise NotUp(f"{len(names)} migrations pending: run clozone migrate")


def _pending() -> list[str]:
    with postgres.database.connection_context():
        return pending()


async def redis_answers(client: Redis) -> None:
    """PING."""
    await client.ping()


async def processes_beat(client: Redis, kind: str) -> str:
    """At least one process of the kind has given a sign of life."""
    beats = await alive(client, kind)
    if not beats:
        raise NotUp(f"no {kind} is running")
    return f"{len(beats)} running"


async def model_answers(client: httpx2.AsyncClient, settings: Settings) -> None:
    """The model API lists its models; this costs nothing."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        raise NotUp("no model is configured: set OPENAI_API_KEY or OPENAI_BASE_URL")
    base_url = (settings.openai_base_url or OPENAI_BASE_URL).rstrip("/")
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    response = await client.get(f"{base_url}/models", headers={"Authorization": f"Bearer {key}"})
    if response.status_code == 429:
        raise Degraded("the model API is limiting us")
    if not response.is_success:
        raise NotUp(f"the model API answered {response.status_code}")
