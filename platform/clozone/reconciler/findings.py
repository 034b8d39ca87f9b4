"""What can be found amiss, and the account of one run."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Kind(StrEnum):
    """Classes of what is found; docs/recordings-and-reconciler.md says what is done about each."""

    event_waiting = "event_waiting"
    report_missing = "report_missing"
    report_dead = "report_dead"
    call_unknown = "call_unknown"
    grading_stalled = "grading_stalled"
    grading_failed = "grading_failed"
    scorecard_missing = "scorecard_missing"
    recording_missing = "recording_missing"


def plain(text: str) -> str:
    """The text without what no database or terminal takes: NUL, halves of characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


@dataclass(frozen=True, slots=True)
class Recording:
    """The state in which a session's recording was found, and an address it did not know of."""

    state: str
    url: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing amiss. `id` is a delivery's with the kind `event_waiting`, else a session's."""

    kind: Kind
    id: UUID | None = None
    call_id: str | None = None
    recording: Recording | None = None

    def __str__(self) -> str:
        named = (("id", self.id), ("call", self.call_id))
        return plain(" ".join([self.kind, *(f"{name}={value}" for name, value in named if value)]))


@dataclass(slots=True)
class Account:
    """What one run looked at, found, healed and could not do. Counts are by name."""

    since: datetime
    dry_run: bool
    with_vapi: bool
    checked: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    healed: list[Finding] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    calls_read: bool = False
    asked_until: UUID | None = None

    def counts(self) -> dict[str, Any]:
        """The account as the table and the log keep it."""
        return {
            "checked": dict(self.checked),
            "found": dict(Counter(finding.kind.value for finding in self.findings)),
            "healed": dict(Counter(finding.kind.value for finding in self.healed)),
            "errors": self.errors,
        }
