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
    bulk = "bulk"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of job is treated. `max_attempts` counts failures, not lost workers."""

    name: str
    queue: Queue
    max_attempts: int = 3


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("webhooks.process_event", Queue.interactive),
        Kind("sessions.clean_transcript", Queue.interactive),
        Kind("grading.grade_session", Queue.llm),
        Kind("grading.grade_transcript", Queue.llm),
        Kind("exports.render_scorecard", Queue.interactive),
        Kind("reconciler.run", Queue.bulk),
        Kind("recordings.fetch", Queue.bulk, max_attempts=10),
        Kind("sessions.erase_objects", Queue.bulk, max_attempts=10),
        Kind("notifications.fan_out", Queue.interactive),
        Kind("notifications.deliver", Queue.bulk, max_attempts=8),
        Kind("notifications.prune", Queue.bulk),
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


Handler = Callable[[RunningJob], None]
AfterDeath = Callable[[RunningJob, str], None]

_handlers: dict[str, Handler] = {}
_after_death: dict[str, AfterDeath] = {}


def job(name: str, *, after_death: AfterDeath | None = None) -> Callable[[Handler], Handler]:
    """Attach a handler to the kind `name`.

    `after_death(job, reason)` runs in the transaction that gives the job up, so that what waited
    for it can be told.
    """
    if name not in KINDS:
        raise ValueError(f"{name} is not listed in jobs/kinds.py")

    def attach(handler: Handler) -> Handler:
        _handlers[name] = handler
        if after_death is not None:
            _after_death[name] = after_death
        return handler

    return attach


def handler_of(name: str) -> Handler | None:
    """The handler attached to a kind in this process, if any."""
    return _handlers.get(name)


def after_death_of(name: str) -> AfterDeath | None:
    """What to do when a job of this kind is given up, if anything."""
    return _after_death.get(name)


def without_handler() -> Iterator[str]:
    """Kinds that this process could not run."""
    return (name for name in KINDS if name not in _handlers)
