"""What holds for every delivery, whatever it says."""

from uuid import UUID

from inbox_probe import Inbox

from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.operations import WebhookEvent
from clozone.webhooks.dedupe import delivery_key
from clozone.webhooks.envelope import read_envelope


def key_of(body: bytes) -> bytes:
    envelope = read_envelope(body)
    return bytes.fromhex(delivery_key(envelope.message_type, envelope.call_id, envelope.message))


def store_twice(inbox: Inbox, body: bytes) -> UUID:
    """Deliver twice: one row more, or none if an equal message was delivered before."""
    answers = [inbox.post(body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[1].json() == {"id": answers[0].json()["id"], "duplicate": True}
    with unit_of_work(Scope.platform()):
        (event,) = WebhookEvent.select().where(WebhookEvent.dedupe_key == key_of(body))
    assert str(event.id) == answers[0].json()["id"]
    assert event.deliveries % 2 == 0
    return UUID(str(event.id))


def finish(inbox: Inbox, event_id: UUID) -> WebhookEvent:
    """Process a delivery and what follows from it; each job has to succeed."""
    event = inbox.process(event_id)
    assert event.state in {"processed", "ignored", "dead"}
    assert (event.reason is None) == (event.state == "processed")
    assert (event.session_id is None) == (event.org_id is None)
    if event.session_id is not None:
        inbox.clean(event.session_id)
    return event
