"""What an operator says about `all` jobs, a queue or a kind: take no more of them, or so many.

Everything here runs in the caller's unit of work, of the platform.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from peewee import fn

from clozone.infra.postgres import after_commit
from clozone.jobs.delivery import delivery
from clozone.jobs.kinds import KINDS, Queue
from clozone.kit.errors import BadRequest
from clozone.models.operations import JobControl

ALL = "all"
# More than any installation has threads.
MOST_RUNNING = 100_000


@dataclass(frozen=True, slots=True)
class Control:
    """What an operator has said, and when. `reason` is that of the pause."""

    name: str
    paused: bool
    reason: str | None
    max_running: int | None
    updated_at: datetime


def controls() -> list[Control]:
    """All that an operator has said and not taken back, whether any job waits or not."""
    said = JobControl.select().where(JobControl.paused | JobControl.max_running.is_null(False))
    return [
        Control(row.name, row.paused, row.reason, row.max_running, row.updated_at)
        for row in said.order_by(JobControl.name)
    ]


def pause(name: str, reason: str) -> None:
    """Take no more jobs of `all`, a queue or a kind; what runs goes on."""
    _set(name, paused=True, reason=reason)


def resume(name: str) -> None:
    """Take jobs again."""
    _set(name, paused=False, reason=None)
    for queue in Queue:
        # Woken in vain where nothing waits.
        after_commit(partial(delivery().ring, queue, UUID(int=0), times=8))


def limit(name: str, max_running: int | None) -> None:
    """Let at most so many jobs of `all`, a queue or a kind run at once; None: as the code says."""
    if max_running is not None and not 1 <= max_running <= MOST_RUNNING:
        raise BadRequest(
            f"A limit is a number from 1 to {MOST_RUNNING}. To let none run, pause instead."
        )
    _set(name, max_running=max_running)


def _set(name: str, **fields: Any) -> None:
    names = {ALL, *Queue, *KINDS}
    if name not in names:
        raise BadRequest(
            f"There is no queue or kind {name}. Give one of: {', '.join(sorted(names))}."
        )
    fields["updated_at"] = fn.now()
    JobControl.insert(name=name, **fields).on_conflict(
        conflict_target=[JobControl.name], update=fields
    ).execute()
