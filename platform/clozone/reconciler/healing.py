"""Mending what was found: each finding in one transaction, which changes nothing the second time."""

import json
from uuid import UUID

from clozone.exports.service import RENDER_SCORECARD
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.jobs.kinds import UNFINISHED
from clozone.kit.errors import Conflict, NotFound
from clozone.models.operations import Job, WebhookEvent
from clozone.models.training import Export
from clozone.reconciler.calls import is_over, report_from
from clozone.reconciler.findings import Finding, Kind
from clozone.reconciler.vapi_api import VapiApi
from clozone.sessions import lifecycle
from clozone.sessions.recording import want_recording
from clozone.sessions.rollup import changing
from clozone.webhooks import inbox
from clozone.webhooks.envelope import read_envelope

# Marks reports in the inbox that the reconciler made; Vapi's have a user agent of Vapi's.
ORIGIN = {"user-agent": "clozone reconciler", "content-type": "application/json"}

_STEPS = ("sessions.clean_transcript", "grading.grade_session")


def heal(finding: Finding, vapi: VapiApi | None) -> bool:
    """Mend one finding; whether there was still something to mend. Raises what fails."""
    if finding.kind is Kind.report_missing:
        return vapi is not None and _fetch_report(vapi, finding.call_id or "")
    if finding.id is None or finding.kind is Kind.report_dead:
        return False
    try:
        with unit_of_work(Scope.platform()):
            return _HEALERS[finding.kind](finding, finding.id)
    except (NotFound, Conflict):
        # Deleted, or moved on by itself in the meantime.
        return False


def _fetch_report(vapi: VapiApi, call_id: str) -> bool:
    call = vapi.call(call_id)
    if call is None or not is_over(call):
        return False
    body = json.dumps(report_from(call), separators=(",", ":")).encode()
    return not inbox.store(inbox.received(body, ORIGIN), read_envelope(body)).duplicate


def _process_event(_: Finding, event_id: UUID) -> bool:
    waits = WebhookEvent.select().where(
        WebhookEvent.id == event_id, WebhookEvent.state == "received"
    )
    if not waits.exists():
        return False
    inbox.enqueue_processing(event_id)
    return True


def _take_up(_: Finding, session_id: UUID) -> bool:
    with changing(session_id) as session:
        if session.status != "processing" or _has_job(session_id, *_STEPS):
            return False
        step = _STEPS[0] if session.transcript is None else _STEPS[1]
        enqueue(
            step,
            {"session_id": str(session_id)},
            subject_id=session_id,
            org_id=session.org_id,
        )
    return True


def _try_again(_: Finding, session_id: UUID) -> bool:
    lifecycle.try_again(session_id)
    return True


def _give_up(_: Finding, session_id: UUID) -> bool:
    return lifecycle.give_up_call(session_id)


def _render(_: Finding, session_id: UUID) -> bool:
    with changing(session_id) as session:
        if session.status != "completed" or _has_job(session_id, RENDER_SCORECARD):
            return False
        latest = (
            Export.select(Export.id)
            .where(Export.session_id == session_id)
            .order_by(Export.created_at.desc(), Export.id.desc())
            .limit(1)
        )
        # A file that is lost is made anew only if its row does not say that it is there.
        Export.update(state="queued", error=None).where(Export.id.in_(latest)).execute()
        enqueue(
            RENDER_SCORECARD,
            {"session_id": str(session_id)},
            subject_id=session_id,
            org_id=session.org_id,
        )
    return True


def _fetch_recording(finding: Finding, session_id: UUID) -> bool:
    found = finding.recording
    with changing(session_id) as session:
        if found is None or session.recording_state != found.state:
            return False
        if found.url is not None:
            session.recording_url = found.url
            session.recording_url_expires_at = found.expires_at
        want_recording(session)
    return True


def _has_job(session_id: UUID, *kinds: str) -> bool:
    return bool(
        Job.select()
        .where(Job.subject_id == session_id, Job.kind.in_(kinds), Job.state.in_([*UNFINISHED]))
        .exists()
    )


_HEALERS = {
    Kind.event_waiting: _process_event,
    Kind.grading_stalled: _take_up,
    Kind.grading_failed: _try_again,
    Kind.call_unknown: _give_up,
    Kind.scorecard_missing: _render,
    Kind.recording_missing: _fetch_recording,
}
