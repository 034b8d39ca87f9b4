"""What the platform has promised: every delivery and request that it answered with a success."""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from clozone.drill.script import Key


@dataclass(slots=True)
class Promises:
    """Kept by the sender, held against the platform by the proofs.

    `accepted` counts, by message, the deliveries that were answered with 2xx; `open` those that were
    not yet; `bodies` has the SHA-256 (hex) of every body that was sent for it. `sessions` are the
    sessions that the API said it had started, by call number. `transcripts` are the jobs that it said it had taken on. `answers` counts every answer by status,
    "none" where none came.
    """

    accepted: Counter[Key] = field(default_factory=Counter)
    open: Counter[Key] = field(default_factory=Counter)
    bodies: defaultdict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    sessions: dict[int, UUID] = field(default_factory=dict)
    transcripts: list[UUID] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    @property
    def deliveries(self) -> int:
        """Accepted deliveries, duplicates included."""
        return self.accepted.total()
