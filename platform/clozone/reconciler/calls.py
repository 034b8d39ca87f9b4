"""Vapi's calls against the inbox and the sessions. Needs the platform's scope, changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from clozone.infra.postgres import database
from clozone.kit.clock import now
from clozone.models.accounts import Profile
from clozone.models.training import TrainingSession
from clozone.reconciler.findings import Finding, Kind, Recording
from clozone.reconciler.vapi_api import Call
from clozone.sessions.lifecycle import CALL_UNKNOWN, was_given_up
from clozone.webhooks.envelope import References, references_of
from clozone.webhooks.fields import first_moment
from clozone.webhooks.vapi import END_OF_CALL_REPORT, ENDED, parse_message

# Vapi analyses a call and sends its report after it ended; that is no reason to step in.
REPORT_GRACE = timedelta(minutes=3)

_UNSETTLED = ("pending", "in_progress")


def report_from(call: Call) -> dict[str, Any]:
    """The end-of-call report of a call, made from the call itself; as Vapi would post it."""
    told = {name: call[name] for name in ("endedReason", "startedAt", "endedAt") if name in call}
    moved = {name: call[name] for name in ("artifact", "analysis") if name in call}
    rest = {name: value for name, value in call.items() if name not in moved}
    return {"message": {"type": END_OF_CALL_REPORT, **told, **moved, "call": rest}}


def is_over(call: Call) -> bool:
    """Whether the call ended, long enough ago for its report to be here."""
    if call.get("status") != ENDED:
        return False
    ended_at = first_moment(call, "endedAt", "updatedAt")
    return ended_at is None or ended_at < now() - REPORT_GRACE


@dataclass(frozen=True, slots=True)
class _Known:
    """What our rows say about the calls of a page."""

    by_call: Mapping[str, TrainingSession]
    by_id: Mapping[UUID, TrainingSession]
    people: Mapping[UUID, UUID]
    reports: Mapping[str, set[str]]


def compare(calls: Sequence[Call], *, with_recordings: bool) -> Iterator[Finding]:
    """What is amiss about these calls; calls that are not ours are passed over."""
    claims = {call["id"]: references_of({"call": call}) for call in calls}
    known = _known(list(claims), list(claims.values()))
    for call in calls:
        finding = _finding(call, claims[call["id"]], known, with_recordings=with_recordings)
        if finding is not None:
            yield finding


def _finding(
    call: Call, claims: References, known: _Known, *, with_recordings: bool
) -> Finding | None:
    call_id: str = call["id"]
    session = known.by_call.get(call_id)
    if not is_over(call) or not _is_ours(session, claims, known):
        return None
    if session is not None and not _waits(session):
        # It got what it needs, however that came.
        return _recording(call, session) if with_recordings else None
    states = known.reports.get(call_id)
    if states is None:
        return Finding(Kind.report_missing, session.id if session else None, call_id)
    if states == {"dead"}:
        return Finding(Kind.report_dead, session.id if session else None, call_id)
    return None


def _waits(session: TrainingSession) -> bool:
    """Whether a report of the call would still decide the session."""
    return session.status in _UNSETTLED or was_given_up(session)


def _is_ours(session: TrainingSession | None, claims: References, known: _Known) -> bool:
    if session is not None:
        return session.deleted_at is None
    named = known.by_id.get(claims.session_id) if claims.session_id else None
    if named is not None and (named.deleted_at is None or named.vapi_call_id is None):
        return named.deleted_at is None
    org_id = known.people.get(claims.user_id) if claims.user_id else None
    return org_id is not None and claims.org_id in (None, org_id)


def _recording(call: Call, session: TrainingSession) -> Finding | None:
    """A recording that was not there yet when the report was sent."""
    if session.recording_state != "none" or session.recording_url is not None:
        return None
    told = parse_message(report_from(call)["message"]).recordings
    url = told.presigned_mono_url or told.mono_url
    if url is None:
        return None
    return Finding(
        Kind.recording_missing,
        session.id,
        call["id"],
        recording=Recording(session.recording_state, url, told.expires_at),
    )


def _known(call_ids: list[str], claims: list[References]) -> _Known:
    session_ids = [one.session_id for one in claims if one.session_id is not None]
    user_ids = [one.user_id for one in claims if one.user_id is not None]
    columns = (
        TrainingSession.id,
        TrainingSession.vapi_call_id,
        TrainingSession.status,
        TrainingSession.ended_reason,
        TrainingSession.recording_state,
        TrainingSession.recording_url,
        TrainingSession.deleted_at,
    )
    of_calls = TrainingSession.select(*columns).where(TrainingSession.vapi_call_id.in_(call_ids))
    named = TrainingSession.select(*columns).where(TrainingSession.id.in_(session_ids))
    people = Profile.select(Profile.id, Profile.org_id).where(Profile.id.in_(user_ids))
    reports: dict[str, set[str]] = {}
    for call_id, state in database.execute_sql(
        "SELECT DISTINCT call_id, state FROM webhook_events"
        " WHERE call_id = ANY(%s) AND message_type = %s",
        (call_ids, END_OF_CALL_REPORT),
    ):
        reports.setdefault(call_id, set()).add(state)
    return _Known(
        by_call={str(session.vapi_call_id): session for session in of_calls},
        by_id={session.id: session for session in named},
        people={person.id: person.org_id for person in people},
        reports=reports,
    )


def unsettled(
    behind: UUID | None, *, unchanged_since: datetime, given_up_since: datetime, limit: int
) -> list[TrainingSession]:
    """Sessions whose call does not seem to end, and those given up since then: who comes `behind`
    that id first, and then from the beginning. Loaded is what is asked of them.
    """
    waiting = TrainingSession.status.in_(_UNSETTLED)
    given_up = (
        (TrainingSession.status == "failed")
        & (TrainingSession.ended_reason == CALL_UNKNOWN)
        & (TrainingSession.updated_at >= given_up_since)
    )
    query = (
        TrainingSession.select(
            TrainingSession.id,
            TrainingSession.vapi_call_id,
            TrainingSession.status,
            TrainingSession.ended_reason,
            TrainingSession.created_at,
        )
        .where(
            waiting | given_up,
            TrainingSession.vapi_call_id.is_null(False),
            TrainingSession.deleted_at.is_null(),
            TrainingSession.updated_at < unchanged_since,
        )
        .order_by(TrainingSession.id)
    )
    if behind is None:
        return list(query.limit(limit))
    found = list(query.where(TrainingSession.id > behind).limit(limit))
    again = query.where(TrainingSession.id <= behind).limit(limit - len(found))
    return [*found, *again] if len(found) < limit else found
