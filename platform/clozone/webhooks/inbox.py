"""The inbox: a delivery is stored, once, before anybody asks what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.kit.context import request_id
from clozone.kit.ids import new_id
from clozone.models.operations import WebhookEvent
from clozone.webhooks.dedupe import delivery_key
from clozone.webhooks.envelope import Envelope, read_envelope
from clozone.webhooks.vapi import END_OF_CALL_REPORT, STATUS_UPDATE

USED_TYPES = frozenset({END_OF_CALL_REPORT, STATUS_UPDATE})
NOT_USED = "type_not_used"

# What the sender told besides the body. Whatever else there is may be a credential of some proxy.
_KEPT_HEADERS = frozenset(
    {"content-type", "content-length", "user-agent", "x-request-id", "x-call-id", "traceparent"}
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a delivery is, and whether it had been delivered before."""

    id: UUID
    duplicate: bool


def accept(body: bytes, headers: Mapping[str, str]) -> Stored:
    """Store an authenticated delivery and the job that will process it, in one transaction.

    `headers` are in lower case and hold no proof (see signature.without_proof).
    Raises BadRequest or Invalid for a body that is no message; nothing is stored then.
    """
    envelope = read_envelope(body)
    with unit_of_work(Scope.platform()):
        stored = _store(envelope, body, headers)
        fresh = not stored.duplicate or _revived(stored.id)
        if fresh and envelope.message_type in USED_TYPES:
            enqueue("webhooks.process_event", {"event_id": str(stored.id)})
    return stored


def _store(envelope: Envelope, body: bytes, headers: Mapping[str, str]) -> Stored:
    moment = now()
    used = envelope.message_type in USED_TYPES
    event_id = new_id()
    (stored_id,) = (
        WebhookEvent.insert(
            id=event_id,
            call_id=envelope.call_id,
            message_type=envelope.message_type,
            dedupe_key=bytes.fromhex(
                delivery_key(envelope.message_type, envelope.call_id, envelope.message)
            ),
            headers={name: value for name, value in headers.items() if name in _KEPT_HEADERS},
            body=body,
            state="received" if used else "ignored",
            reason=None if used else NOT_USED,
            processed_at=None if used else moment,
            request_id=request_id.get(),
            received_at=moment,
            last_delivered_at=moment,
        )
        .on_conflict(
            conflict_target=[WebhookEvent.dedupe_key],
            update={
                WebhookEvent.deliveries: WebhookEvent.deliveries + 1,
                WebhookEvent.last_delivered_at: moment,
            },
        )
        .returning(WebhookEvent.id)
        .tuples()
        .execute()
    )[0]
    return Stored(stored_id, duplicate=stored_id != event_id)


def _revived(event_id: UUID) -> bool:
    """Take up a dead delivery again that its sender repeats; whether there was one to take up.

    What it died of may have passed; if not, it dies again of the same.
    """
    revived = (
        WebhookEvent.update(state="received", reason=None, processed_at=None)
        .where(WebhookEvent.id == event_id, WebhookEvent.state == "dead")
        .execute()
    )
    return bool(revived)


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
