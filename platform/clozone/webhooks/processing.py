"""What a stored delivery does to its session. Deliveries may be late, repeated and out of order.

A session only ever moves forward: a late status never reopens what has ended, and of several
reports the first decides. One exception heals: a report in which both sides speak replaces one in
which they did not; and a session that was given up, because Vapi knew nothing of its call, has not
been decided. What the deciding report tells stands; other messages fill what it left open.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from clozone.infra.postgres import unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.kit.clock import now
from clozone.models.operations import WebhookEvent
from clozone.models.training import TrainingSession
from clozone.sessions.lifecycle import was_given_up
from clozone.sessions.recording import want_recording
from clozone.sessions.rollup import changing
from clozone.sessions.transcript import tidy
from clozone.webhooks import inbox, routing
from clozone.webhooks.envelope import read_envelope
from clozone.webhooks.vapi import END_OF_CALL_REPORT, CallUpdate, parse_message

# Vapi's words for a call on which somebody speaks.
_ON_CALL = frozenset({"in-progress", "forwarding"})
_NOT_ENDED = frozenset({"pending", "in_progress"})
# How long the presigned address of a recording works.
_LIFE_OF_ADDRESS = timedelta(hours=1)
# A status update carries the call as it was at that moment: a cost of 0, no summary. Only these
# facts are final when they are told.
_FACTS_OF_STATUS = ("started_at", "ended_at", "ended_reason")


def read(event_id: UUID) -> CallUpdate | None:
    """What a stored delivery says, or None if it was processed already.

    Opens a unit of work of its own: reading megabytes of transcript must not hold one up.
    """
    with unit_of_work():
        event = WebhookEvent.get_by_id(event_id)
    if event.state != "received":
        return None
    return parse_message(read_envelope(event.body).message)


def process(event_id: UUID, update: CallUpdate) -> None:
    """Apply what was read to its session; to be run in one unit of work of the platform.

    Changes nothing when another job has done it meanwhile. What cannot be placed stays in the inbox
    with the reason: nothing that was accepted is dropped.
    """
    if not inbox.claim(event_id):
        return
    if update.message_type not in inbox.USED_TYPES:
        inbox.settle(event_id, "ignored", inbox.NOT_USED, None)
        return
    try:
        session_id = routing.session_of(update)
    except routing.Unplaced as unplaced:
        inbox.settle(event_id, unplaced.state, unplaced.reason, unplaced.session_id)
        if unplaced.session_id is not None:
            # Of a deleted session nothing is kept, also when it is told after the deletion.
            inbox.forget(event_id)
        return
    with changing(session_id) as session:
        _apply(update, session)
    inbox.settle(event_id, "processed", None, session_id)


def _apply(update: CallUpdate, session: TrainingSession) -> None:
    if session.vapi_call_id is None and update.call_id is not None:
        session.vapi_call_id = update.call_id
    told = {name: value for name, value in _facts(update).items() if value is not None}
    if update.message_type == END_OF_CALL_REPORT:
        decides = _decides(update, session)
        _keep(told, session, overwrite=decides)
        if decides:
            _take_transcript(update, session)
        _want_recording(session)
        return
    _keep({name: told[name] for name in _FACTS_OF_STATUS if name in told}, session)
    if update.status in _ON_CALL and session.status == "pending":
        session.status = "in_progress"


def _facts(update: CallUpdate) -> dict[str, Any]:
    return {
        "started_at": update.started_at,
        "ended_at": update.ended_at,
        "ended_reason": update.ended_reason,
        "duration_seconds": update.duration_seconds,
        "call_summary": update.summary,
        "call_cost_microdollars": update.cost_microdollars,
        "call_cost_breakdown": update.cost_breakdown_microdollars or None,
        "recording_url": update.recordings.presigned_mono_url or update.recordings.mono_url,
        "recording_url_expires_at": update.recordings.expires_at,
    }


def _keep(told: dict[str, Any], session: TrainingSession, *, overwrite: bool = False) -> None:
    for name, value in told.items():
        if overwrite or getattr(session, name) is None:
            setattr(session, name, value)


def _decides(report: CallUpdate, session: TrainingSession) -> bool:
    if session.status in _NOT_ENDED or was_given_up(session):
        return True
    if session.status not in ("processing", "not_gradable"):
        return False
    held = ((part["speaker"], part["text"]) for part in session.raw_transcript or [])
    heard = ((utterance.speaker, utterance.text) for utterance in report.utterances)
    return _both_speak(heard) and not _both_speak(held)


def _both_speak(parts: Iterable[tuple[str, str]]) -> bool:
    return len({speaker for speaker, text in parts if tidy(text)}) == 2


def _take_transcript(update: CallUpdate, session: TrainingSession) -> None:
    session.raw_transcript = [asdict(utterance) for utterance in update.utterances]
    session.status = "processing"
    session.not_gradable_reason = None
    session.transcript = None
    enqueue(
        "sessions.clean_transcript",
        {"session_id": str(session.id)},
        subject_id=session.id,
        org_id=session.org_id,
    )


def _want_recording(session: TrainingSession) -> None:
    if session.recording_url is None or session.recording_state != "none":
        return
    moment = now()
    expires_at = session.recording_url_expires_at
    # What expires first comes first: half-way through its life an address is half an hour due.
    due = min(moment, expires_at - _LIFE_OF_ADDRESS) if expires_at else moment
    want_recording(session, run_at=due)
