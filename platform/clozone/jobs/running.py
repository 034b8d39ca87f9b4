"""A claimed job in the hands of its handler."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import ledger
from clozone.jobs.kinds import KINDS


class TryOver(Exception):
    """This try may write nothing: another worker has the job, it was cancelled, or took too long."""


class Running:
    """What `kinds.RunningJob` promises, and what the runner and the leases need besides."""

    def __init__(self, claim: ledger.Claim) -> None:
        self.claim = claim
        self.id = claim.id
        self.org_id = claim.org_id
        self.kind = claim.kind
        self.payload = claim.payload
        self.subject_id = claim.subject_id
        self.attempt = claim.attempt
        self.request_id = claim.request_id
        self.scope = Scope.tenant(claim.org_id) if claim.org_id else Scope.platform()
        self.result: dict[str, Any] | None = None
        self.completed = False
        # Set by the thread that keeps the leases.
        self.cancelled = claim.cancelled
        self.timed_out = False
        self.progress: dict[str, Any] | None = None
        self.deadline = self._deadline()
        self.in_group = False

    def _deadline(self) -> float | None:
        treatment = KINDS.get(self.kind)
        if treatment is None or treatment.timeout_seconds is None:
            return None
        return time.monotonic() + treatment.timeout_seconds

    @contextmanager
    def completing(self) -> Iterator[None]:
        """A unit of work in which the effects and the completion commit together.

        The fence is its first statement; raises TryOver if this try may not write any more.
        """
        if self.in_group:
            # The group's unit of work is open, and its fence held.
            yield
            self._keep_result()
            return
        with unit_of_work(self.scope):
            if not ledger.finish([self.claim]):
                raise TryOver
            yield
            self._keep_result()
        self.completed = True

    def _keep_result(self) -> None:
        if self.result is not None:
            ledger.keep_result(self.claim, self.result)

    def checkpoint(self) -> None:
        """Raises TryOver when the job was cancelled or ran too long."""
        if self.cancelled or self.timed_out:
            raise TryOver

    def tell_progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Kept here until the lease is extended the next time."""
        self.progress = {"done": done, "total": total, "note": note}
