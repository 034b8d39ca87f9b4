"""Taking a delivery: into PostgreSQL, or while that is away into the spool. Else it is not taken."""

import asyncio
from collections.abc import Mapping

from loguru import logger
from peewee import DataError, IntegrityError, PeeweeException
from playhouse.pool import MaxConnectionsExceeded

from clozone.infra.postgres import database
from clozone.infra.spool import Spool, SpoolFailed
from clozone.infra.spool_file import ReceivedRequest
from clozone.kit.errors import Unavailable
from clozone.web.offload import offload_plain, on_database_thread
from clozone.webhooks import inbox
from clozone.webhooks.envelope import Envelope, read_envelope
from clozone.webhooks.inbox import Stored
from clozone.webhooks.outage import Outage

# Below the database's own limits for a statement: the sender waits 20 s, and the spool is there.
STORE_SECONDS = 4.0
RETRY_AFTER_SECONDS = 10

# Whatever the database is not able to do, the spool can. What it refuses for the sake of the
# message is no outage: such a message is looked at again, alone, when the spool is drained.
AWAY = (PeeweeException, MaxConnectionsExceeded, Unavailable, TimeoutError)
REFUSED = (DataError, IntegrityError)


class NotStored(Unavailable):
    """Neither PostgreSQL nor the spool took the message, so its sender has to keep it."""

    code = "not_stored"
    title = "The message could not be stored"


class Intake:
    """The way in for authenticated deliveries of one web process."""

    def __init__(self, spool: Spool, outage: Outage) -> None:
        self._spool = spool
        self._outage = outage

    async def take(self, body: bytes, headers: Mapping[str, str]) -> Stored:
        """Store a delivery for good, and say where.

        One that goes to the spool is not known to be a duplicate before it is drained; then it
        counts as a further delivery of the first. Raises BadRequest or Invalid for a body that is
        no message, also while PostgreSQL is away, and NotStored when nothing durable is left.
        """
        request = inbox.received(body, headers)
        # On a thread: reading megabytes of JSON would hold up every other request of this process.
        envelope = await offload_plain(read_envelope, body)
        if self._outage.may_try():
            try:
                # The thread is not stopped: should it commit after all, it does so under the id
                # that the spooled delivery has.
                async with asyncio.timeout(STORE_SECONDS):
                    stored: Stored = await on_database_thread(_store, request, envelope)
            except REFUSED as error:
                logger.bind(error=type(error).__name__).error("PostgreSQL refused a webhook")
            except AWAY as error:
                self._outage.begins(error)
            else:
                self._outage.ends()
                return stored
        return await self._put_by(request)

    async def _put_by(self, request: ReceivedRequest) -> Stored:
        try:
            await offload_plain(self._spool.put, request)
        except SpoolFailed as error:
            logger.bind(reason=str(error)).error("a webhook could not be stored anywhere")
            raise NotStored(
                f"The database is away and {error}. Send it again later.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            ) from error
        return Stored(request.id, duplicate=False)


def _store(request: ReceivedRequest, envelope: Envelope) -> Stored:
    try:
        return inbox.store(request, envelope)
    except PeeweeException:
        # After a failover every pooled connection leads to the former server, not only this one.
        database.close_idle()
        raise
