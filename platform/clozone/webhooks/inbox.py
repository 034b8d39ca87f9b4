"""The inbox: a delivery is stored, once, before anybody asks what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from peewee import SQL, Case, fn

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.infra.spool_file import ReceivedRequest
from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.kit.context import request_id
from clozone.kit.ids import new_id
from clozone.models.operations import WebhookEvent
from clozone.webhooks.dedupe import delivery_key
from clozone.webhooks.envelope import Envelope, References
from clozone.webhooks.vapi import END_OF_CALL_REPORT, STATUS_UPDATE

USED_TYPES = frozenset({END_OF_CALL_REPORT, STATUS_UPDATE})
NOT_USED = "type_not_used"
# The kind of job.
PROCESSING = "webhooks.process_event"

# What the sender told besides the body. Whatever else there is may be a credential of some proxy.
_KEPT_HEADERS = frozenset(
    {"content-type", "content-length", "user-agent", "x-request-id", "x-call-id", "traceparent"}
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a delivery is, and whether it had been delivered before."""

    id: UUID
    duplicate: bool


def received(body: bytes, headers: Mapping[str, str]) -> ReceivedRequest:
    """An authenticated delivery, with the id and the time under which it will be known.

    `headers` are in lower case and hold no proof (see signature.without_proof).
    """
    return ReceivedRequest(
        id=new_id(),
        received_at=now(),
        request_id=request_id.get(),
        headers={name: value for name, value in headers.items() if name in _KEPT_HEADERS},
        body=body,
    )


def store(request: ReceivedRequest, envelope: Envelope) -> Stored:
    """Store a delivery and the job that will process it, in one transaction.

    Safe to repeat: under the same id it is the same delivery, under another a further one.
    """
    with unit_of_work(Scope.platform()):
        stored, added = _insert(request, envelope)
        if (added or revive(stored.id)) and envelope.message_type in USED_TYPES:
            enqueue_processing(stored.id, _claimed_by(envelope.references))
    return stored


def enqueue_processing(event_id: UUID, turn_of: UUID | None = None) -> UUID:
    """Add the job of a stored delivery, unless one waits or runs already; the job's id.

    It is a job of the platform, in the turn of the organisation `turn_of`; default: as before.
    """
    return enqueue(
        PROCESSING,
        {"event_id": str(event_id)},
        subject_id=event_id,
        dedupe_key=f"{PROCESSING}:{event_id}",
        turn_of=turn_of or _turn_before(event_id),
    )


def _claimed_by(claims: References) -> UUID | None:
    """The organisation that the metadata names, if there is one: whose delivery it is to wait.

    Unproven, so good for nothing else: see routing.
    """
    if claims.org_id is None and claims.session_id is None and claims.user_id is None:
        return None
    return _only_id(
        """
        SELECT coalesce((SELECT id FROM organizations WHERE id = %(org)s),
          (SELECT org_id FROM training_sessions WHERE id = %(session)s),
          (SELECT org_id FROM profiles WHERE id = %(user)s))
        """,
        {"org": claims.org_id, "session": claims.session_id, "user": claims.user_id},
    )


def _turn_before(event_id: UUID) -> UUID | None:
    return _only_id(
        """
        SELECT coalesce((SELECT org_id FROM webhook_events WHERE id = %(id)s),
          (SELECT turn_of FROM jobs WHERE subject_id = %(id)s ORDER BY created_at DESC LIMIT 1))
        """,
        {"id": event_id},
    )


def _only_id(sql: str, params: dict[str, UUID | None]) -> UUID | None:
    row: tuple[UUID | None] = database.execute_sql(sql, params).fetchone()
    return row[0]


def _insert(request: ReceivedRequest, envelope: Envelope) -> tuple[Stored, bool]:
    """Where the delivery is, and whether this put it there."""
    used = envelope.message_type in USED_TYPES
    moment = request.received_at
    # What is in the way under its own id is this very delivery, stored before an answer got lost.
    again = Case(None, [(WebhookEvent.id == request.id, 0)], 1)
    ((stored_id, added),) = (
        WebhookEvent.insert(
            id=request.id,
            call_id=envelope.call_id,
            message_type=envelope.message_type,
            dedupe_key=bytes.fromhex(
                delivery_key(envelope.message_type, envelope.call_id, envelope.message)
            ),
            headers=request.headers,
            body=request.body,
            state="received" if used else "ignored",
            reason=None if used else NOT_USED,
            processed_at=None if used else now(),
            request_id=request.request_id,
            received_at=moment,
            last_delivered_at=moment,
        )
        .on_conflict(
            conflict_target=[WebhookEvent.dedupe_key],
            update={
                WebhookEvent.deliveries: WebhookEvent.deliveries + again,
                WebhookEvent.last_delivered_at: fn.greatest(WebhookEvent.last_delivered_at, moment),
            },
        )
        # Only an updated row has been locked by a transaction.
        .returning(WebhookEvent.id, SQL("webhook_events.xmax = 0"))
        .tuples()
        .execute()
    )
    return Stored(stored_id, duplicate=stored_id != request.id), added


def revive(event_id: UUID) -> bool:
    """Let a dead delivery wait for processing again; whether there was one.

    What it died of may have passed; if not, it dies again of the same.
    """
    revived = (
        WebhookEvent.update(state="received", reason=None, processed_at=None)
        .where(WebhookEvent.id == event_id, WebhookEvent.state == "dead")
        .execute()
    )
    return bool(revived)


def claim(event_id: UUID) -> bool:
    """Lock a delivery until the unit of work ends; whether it still waits to be processed."""
    waits = WebhookEvent.select(WebhookEvent.id).where(
        WebhookEvent.id == event_id, WebhookEvent.state == "received"
    )
    return waits.for_update().get_or_none() is not None


def settle(event_id: UUID, state: str, reason: str | None, session_id: UUID | None) -> None:
    """Record what became of a delivery: processed, ignored or dead, and why."""
    database.execute_sql(
        """
        UPDATE webhook_events SET state = %(state)s, reason = %(reason)s, processed_at = now(),
          session_id = %(session)s,
          org_id = (SELECT org_id FROM training_sessions WHERE id = %(session)s)
        WHERE id = %(id)s
        """,
        {"id": event_id, "state": state, "reason": reason, "session": session_id},
    )


def forget(event_id: UUID) -> None:
    """Empty a delivery of what it said; its key stays, so that it is known when it comes again."""
    WebhookEvent.update(body=b"", headers={}).where(WebhookEvent.id == event_id).execute()
