"""How each component is asked."""

import httpx2
from redis.asyncio import Redis

from clozone.health.check import Degraded, NotUp
from clozone.infra import postgres
from clozone.infra.heartbeat import alive
from clozone.infra.object_storage import ObjectStorage
from clozone.infra.replica import ReplicaWatch
from clozone.infra.spool import spool
from clozone.kit.errors import Permanent, Retryable, Unavailable
from clozone.models.schema import pending
from clozone.settings import Settings
from clozone.web.offload import offload_plain, on_database_thread

OPENAI_BASE_URL = "https://api.openai.com/v1"
NEARLY_FULL = 0.8  # of SPOOL_MAX_BYTES


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


async def replica_follows(watch: ReplicaWatch) -> str:
    """The replica is read from. While it is not, the primary is, so nothing is missing."""
    state = watch.state
    if state.unfit is not None:
        raise Degraded(f"not read from: {state.unfit}")
    return f"{state.lag_seconds or 0.0:.1f} s behind"


async def redis_answers(client: Redis) -> None:
    """PING."""
    await client.ping()


async def processes_beat(client: Redis, kind: str) -> str:
    """At least one process of the kind has given a sign of life."""
    beats = await alive(client, kind)
    if not beats:
        raise NotUp(f"no {kind} is running")
    return f"{len(beats)} running"


async def spool_drains() -> str:
    """The spool can take webhooks, and none waits there for PostgreSQL."""
    folder = spool()
    usage = await offload_plain(folder.usage)
    facts = f"{usage.waiting} webhooks wait, {usage.size_bytes} bytes"
    if not await offload_plain(folder.is_writable):
        raise Degraded(f"{facts}; the folder cannot be written: see SPOOL_DIR")
    if usage.size_bytes >= NEARLY_FULL * folder.max_bytes:
        raise Degraded(f"{facts}; nearly full: see SPOOL_MAX_BYTES")
    if usage.refused:
        raise Degraded(f"{facts}; {usage.refused} were set aside: see docs/webhooks.md")
    if usage.waiting:
        raise Degraded(f"{facts}; they are stored once PostgreSQL is back")
    return facts


async def storage_answers(storage: ObjectStorage) -> None:
    """The bucket is there."""
    try:
        await offload_plain(storage.ping)
    except Retryable:
        raise NotUp("object storage does not answer") from None
    except Permanent:
        raise NotUp("object storage refuses: check S3_BUCKET and the S3 keys") from None


async def model_answers(client: httpx2.AsyncClient, settings: Settings) -> None:
    """The model API lists its models; this costs nothing."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        raise NotUp("no model is configured: set OPENAI_API_KEY or OPENAI_BASE_URL")
    base_url = (settings.openai_base_url or OPENAI_BASE_URL).rstrip("/")
    headers = {}
    if settings.openai_api_key is not None:
        headers["Authorization"] = f"Bearer {settings.openai_api_key.get_secret_value()}"
    response = await client.get(f"{base_url}/models", headers=headers)
    if response.status_code == 429:
        raise Degraded("the model API is limiting us")
    if not response.is_success:
        raise NotUp(f"the model API answered {response.status_code}")
