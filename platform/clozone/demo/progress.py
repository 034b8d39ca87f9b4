"""How far one call has come, and whether it ended as it should."""

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from clozone.demo.content import DemoCall


class Step(IntEnum):
    """The way of a call through the platform, in order."""

    WAITING = 0
    SENT = 1
    RECEIVED = 2
    CLEANED = 3
    GRADED = 4
    DONE = 5


ENDED = frozenset({"completed", "not_gradable", "failed"})


@dataclass(slots=True)
class Progress:
    """One call of a run.

    `sent_at` is when the report of the call's end was posted, in seconds since the epoch, `seconds`
    the time from then until the scorecard was there. `session` is the platform's list item,
    `grade` the grade of its detail.
    """

    number: int
    call: DemoCall
    step: Step = Step.WAITING
    session_id: str = ""
    sent_at: float = 0.0
    session: dict[str, Any] = field(default_factory=dict)
    grade: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    scorecard: Path | None = None

    @property
    def status(self) -> str:
        """The session's status as the platform last told it."""
        return str(self.session.get("status", "pending"))

    @property
    def score(self) -> int | None:
        """The score the session counts with."""
        return self.grade.get("final_score", self.grade.get("score"))

    @property
    def passed(self) -> bool | None:
        """Whether the call passed; None without a grade."""
        return self.grade.get("passed")

    @property
    def blockers(self) -> tuple[str, ...]:
        """Keys of the rules that were broken."""
        return tuple(blocker["key"] for blocker in self.grade.get("blockers", ()))

    def advance(self, session: dict[str, Any]) -> None:
        """Take in what the list of sessions says of this one."""
        self.session = session
        if self.status in ENDED:
            self.step = max(self.step, Step.GRADED)
        elif session.get("duration_seconds") is not None:
            # Written together with the cleaned transcript.
            self.step = max(self.step, Step.CLEANED)
        elif self.status != "pending":
            self.step = max(self.step, Step.RECEIVED)

    def surprises(self) -> list[str]:
        """In what the outcome differs from the expected one; empty when in nothing."""
        expected = self.call.expected
        if self.status != expected.status:
            reason = self.session.get("not_gradable_reason")
            return [f"is {self.status}{f' ({reason})' if reason else ''}, not {expected.status}"]
        if expected.status == "not_gradable":
            reason = self.session.get("not_gradable_reason")
            return [] if reason == expected.reason else [f"reason {reason}, not {expected.reason}"]
        found = []
        low, high = expected.score or (0, 100)
        if self.score is None or not low <= self.score <= high:
            found.append(f"scored {self.score}, not {low} to {high}")
        if expected.passed is not None and self.passed != expected.passed:
            found.append("passed" if self.passed else "did not pass")
        if sorted(self.blockers) != sorted(expected.blockers):
            found.append(f"blockers {list(self.blockers)}, not {list(expected.blockers)}")
        if self.scorecard is None:
            found.append("no scorecard")
        return found
