"""Every kind of job there is, in one place; handlers attach themselves by name.

A process that only enqueues needs the kinds, not the handlers and what they import.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID


class Queue(StrEnum):
    """Separate lanes, so that slow work never stands in the way of quick work."""

    interactive = "interactive"
    llm = "llm"
    outgoing = "outgoing"
    bulk = "bulk"


class State(StrEnum):
    """Where a job is. `scheduled` and `retrying` wait for their time, `queued` for its turn."""

    scheduled = "scheduled"
    queued = "queued"
    running = "running"
    retrying = "retrying"
    succeeded = "succeeded"
    dead = "dead"
    cancelled = "cancelled"


WAITING = frozenset({State.scheduled, State.queued, State.retrying})
UNFINISHED = WAITING | {State.running}


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of job is treated.

    `priority` orders an organisation's own jobs, higher first; it never overtakes another's turn.
    `max_attempts` counts failures, not lost workers. Waits grow from `retry_base_seconds`
    (default: JOB_RETRY_BASE_SECONDS). A try that takes longer than `timeout_seconds` has failed.
    `max_running` is the most that run at once, over all workers, unless an operator says otherwise.
    `turn` is how many jobs one turn takes. Those of a larger turn than 1 commit together, so their
    handler does nothing but `with job.completing():` and a few rows.
    """

    name: str
    queue: Queue
    priority: int = 0
    max_attempts: int = 3
    retry_base_seconds: float | None = None
    timeout_seconds: float | None = 300.0
    max_running: int | None = None
    turn: int = 1


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("webhooks.process_event", Queue.interactive),
        Kind("sessions.clean_transcript", Queue.interactive),
        Kind("grading.grade_session", Queue.llm, timeout_seconds=1_800),
        # Somebody waits for this one at the screen.
        Kind("grading.grade_transcript", Queue.llm, priority=10, timeout_seconds=1_800),
        Kind("exports.render_scorecard", Queue.interactive),
        Kind("reconciler.run", Queue.bulk, timeout_seconds=1_800),
        Kind("recordings.fetch", Queue.bulk, max_attempts=10, timeout_seconds=900),
        Kind("sessions.erase_objects", Queue.bulk, max_attempts=10),
        Kind("notifications.fan_out", Queue.interactive, turn=20),
        Kind("notifications.deliver", Queue.outgoing, max_attempts=8),
        Kind("notifications.release", Queue.interactive, max_attempts=10),
        Kind("notifications.prune", Queue.bulk, priority=-10),
        Kind("jobs.archive_finished", Queue.bulk, priority=-10, timeout_seconds=3_600),
    )
}


class RunningJob(Protocol):
    """What a handler sees of the job it runs. `result`, if set, is kept for whoever asked."""

    id: UUID
    org_id: UUID | None
    kind: str
    payload: dict[str, Any]
    subject_id: UUID | None
    attempt: int
    request_id: str | None
    result: dict[str, Any] | None

    def completing(self) -> AbstractContextManager[None]:
        """A unit of work in which the effects and the completion commit together."""

    def checkpoint(self) -> None:
        """A place at which a long job may be stopped: raises when it was cancelled or ran too long."""

    def tell_progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far it is; shown with the job a moment later. Costs nothing."""


Handler = Callable[[RunningJob], None]
AfterDeath = Callable[[RunningJob, str], None]
BeforeRevival = Callable[[RunningJob], None]


@dataclass(frozen=True, slots=True)
class _Attached:
    handler: Handler
    after_death: AfterDeath | None
    before_revival: BeforeRevival | None


_attached: dict[str, _Attached] = {}


def job(
    name: str,
    *,
    after_death: AfterDeath | None = None,
    before_revival: BeforeRevival | None = None,
) -> Callable[[Handler], Handler]:
    """Attach a handler to the kind `name`.

    `after_death(job, reason)` runs in the transaction that gives the job up or cancels it, so that
    what waited for it can be told. `before_revival(job)` runs in the one that takes a dead job up
    again, and undoes that; it raises Conflict when there is no way back.
    """
    if name not in KINDS:
        raise ValueError(f"{name} is not listed in jobs/kinds.py")

    def attach(handler: Handler) -> Handler:
        _attached[name] = _Attached(handler, after_death, before_revival)
        return handler

    return attach


def handler_of(name: str) -> Handler | None:
    """The handler attached to a kind in this process, if any."""
    attached = _attached.get(name)
    return attached.handler if attached else None


def after_death_of(name: str) -> AfterDeath | None:
    """What to do when a job of this kind is given up, if anything."""
    attached = _attached.get(name)
    return attached.after_death if attached else None


def before_revival_of(name: str) -> BeforeRevival | None:
    """What to do before a dead job of this kind is taken up again, if anything."""
    attached = _attached.get(name)
    return attached.before_revival if attached else None


def runnable(queue: Queue) -> list[Kind]:
    """The kinds of a queue that this process has handlers for.

    Others are left to the processes of the version that knows them.
    """
    return [kind for kind in KINDS.values() if kind.queue is queue and kind.name in _attached]


def without_handler() -> Iterator[str]:
    """Kinds that this process could not run."""
    return (name for name in KINDS if name not in _attached)
