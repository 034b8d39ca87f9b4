"""Processing deliveries of the inbox again, and saying beforehand what would come of it.

A session only moves forward, so a delivery that has done its work changes nothing when it is
processed again; one that died may succeed once its cause is gone.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from clozone.accounts.audit import record
from clozone.infra.postgres import OperationalError, Scope, database, unit_of_work
from clozone.jobs.kinds import UNFINISHED
from clozone.models.operations import Job, WebhookEvent
from clozone.web.identity import Actor
from clozone.webhooks import inbox, processing
from clozone.webhooks.envelope import read_envelope
from clozone.webhooks.reasons import reason_of
from clozone.webhooks.selection import Listed, Selection, page
from clozone.webhooks.vapi import CallUpdate, parse_message

BATCH = 200
ERASED = "erased_with_its_session"


class Outcome(StrEnum):
    """What would come of processing a delivery again."""

    processed = "processed"
    unchanged = "unchanged"
    ignored = "ignored"
    dead = "dead"
    unknown = "unknown"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What processing a delivery would do. `changes` are names: columns of its session, "jobs"."""

    event: Listed
    outcome: Outcome
    reason: str | None = None
    session_id: UUID | None = None
    new_session: bool = False
    changes: tuple[str, ...] = ()


@dataclass(slots=True)
class Replayed:
    """The deliveries that will be processed again, and those that were left as they are, and why."""

    again: list[UUID] = field(default_factory=list)
    left: dict[UUID, str] = field(default_factory=dict)


class _RolledBack(Exception):
    def __init__(self, forecast: Forecast) -> None:
        super().__init__()
        self.forecast = forecast


def plan(selection: Selection) -> list[Forecast]:
    """What `replay` would do to each delivery: found out by doing it, and rolled back each time.

    Opens its own units of work. Nothing stays: no change, no job.
    """
    forecasts: list[Forecast] = []
    last: Listed | None = None
    while batch := _batch(selection, len(forecasts), last):
        forecasts += [_forecast(event) for event in batch]
        last = batch[-1]
    return forecasts


def replay(selection: Selection, actor: Actor | None) -> Replayed:
    """Put deliveries back to `received` and enqueue their jobs; `actor` None is the command line.

    In batches, each one transaction with its line in the audit log: what is interrupted can be run
    again, as can what has run. Opens its own units of work.
    """
    result = Replayed()
    last: Listed | None = None
    while True:
        with unit_of_work(Scope.platform()):
            done = len(result.again) + len(result.left)
            batch = page(selection, _size(selection, done), last)
            left = {event.id: why for event in batch if (why := _why_left(event))}
            again = [event.id for event in batch if event.id not in left]
            if again:
                for event_id in _put_back(again):
                    inbox.enqueue_processing(event_id)
                details = {**selection.to_json(), "replayed": len(again)}
                record(actor, "inbox.replayed", "webhook_event", None, details)
        if not batch:
            return result
        result.again += again
        result.left |= left
        last = batch[-1]


def _batch(selection: Selection, done: int, last: Listed | None) -> list[Listed]:
    with unit_of_work(Scope.platform()):
        return page(selection, _size(selection, done), last)


def _size(selection: Selection, done: int) -> int:
    return BATCH if selection.limit is None else min(BATCH, selection.limit - done)


def _why_left(event: Listed) -> str | None:
    """Why a delivery cannot be processed again, if so."""
    if event.erased:
        return ERASED
    return None if event.message_type in inbox.USED_TYPES else inbox.NOT_USED


def _put_back(event_ids: list[UUID]) -> list[UUID]:
    """Let deliveries wait again; those that need a job for it, in order."""
    # One that is `received` has a job, perhaps at work on it: its row is that job's to lock.
    settled = WebhookEvent.select(WebhookEvent.id).where(
        WebhookEvent.id.in_(event_ids), WebhookEvent.state != "received"
    )
    locked = {event.id for event in settled.order_by(WebhookEvent.id).for_update()}
    WebhookEvent.update(state="received", reason=None, processed_at=None).where(
        WebhookEvent.id.in_(locked)
    ).execute()
    # Looked for, not added in vain: that would wait for a job that is about to end, and it for us.
    # Of a row that another replay has just put back, PostgreSQL keeps the lock all the same.
    at_work = Job.select(Job.subject_id).where(
        Job.subject_id.in_(event_ids),
        Job.kind == inbox.PROCESSING,
        Job.state.in_([*UNFINISHED]),
    )
    has_job = {job.subject_id for job in at_work} - locked
    return [event_id for event_id in event_ids if event_id not in has_job]


def _forecast(event: Listed) -> Forecast:
    if why := _why_left(event):
        return Forecast(event, Outcome.ignored, why, event.session_id)
    try:
        with unit_of_work(Scope.platform()):
            body = WebhookEvent.get_by_id(event.id).body
        update = parse_message(read_envelope(bytes(body)).message)
        with unit_of_work(Scope.platform()):
            raise _RolledBack(_try(event, update))
    except _RolledBack as rolled_back:
        return rolled_back.forecast
    except OperationalError as error:
        return Forecast(event, Outcome.unknown, reason_of(error))
    except Exception as error:
        return Forecast(event, Outcome.dead, reason_of(error))


def _try(event: Listed, update: CallUpdate) -> Forecast:
    with database.savepoint() as point:
        WebhookEvent.update(state="received", reason=None).where(
            WebhookEvent.id == event.id
        ).execute()
        processing.process(event.id, update)
        settled = WebhookEvent.get_by_id(event.id)
        after = _snapshot(settled.session_id)
        point.rollback()
    before = _snapshot(settled.session_id)
    if settled.state != "processed":
        return Forecast(event, Outcome(settled.state), settled.reason, settled.session_id)
    changes = tuple(name for name in after if after[name] != before.get(name))
    outcome = Outcome.processed if changes else Outcome.unchanged
    return Forecast(event, outcome, None, settled.session_id, not before, changes)


def _snapshot(session_id: UUID | None) -> dict[str, object]:
    """A session and the number of its jobs; empty when there is none. Touching it is no change."""
    row = database.execute_sql(
        """
        SELECT to_jsonb(s) - 'updated_at'
          || jsonb_build_object('jobs', (SELECT count(*) FROM jobs WHERE subject_id = s.id))
        FROM training_sessions s WHERE id = %s
        """,
        (session_id,),
    ).fetchone()
    return dict(row[0]) if row else {}
