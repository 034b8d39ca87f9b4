"""What the proofs have to go by: what was sent and promised, what was done, and where to look."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from clozone.drill.calls import DrillCall
from clozone.drill.database import Database
from clozone.drill.incidents import Incidents
from clozone.drill.model import Answers
from clozone.drill.objects import Objects
from clozone.drill.promises import Promises
from clozone.drill.script import call_id
from clozone.drill.target import Target
from clozone.drill.world import Organisation

MOST_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about one drill. `alone`: nobody else had the bundle, so the model's count is ours.

    `most_read` is of how many scorecards the text is read: that takes longer than all other proofs.
    """

    run: str
    target: Target
    world: list[Organisation]
    calls: list[DrillCall]
    promises: Promises
    incidents: Incidents
    answers: Answers
    database: Database
    objects: Objects
    alone: bool
    most_read: int = 1_000

    @property
    def orgs(self) -> list[UUID]:
        """The drill's organisations."""
        return [organisation.id for organisation in self.world]

    @property
    def call_ids(self) -> dict[str, DrillCall]:
        """The calls by the id that Vapi gave them."""
        return {call_id(self.run, call): call for call in self.calls}


@dataclass(slots=True)
class Proof:
    """One claim and what came of checking it. `facts` are figures for the report.

    `may_be_idle`: there may have been nothing to check, which then is told and is no loss.
    """

    name: str
    claim: str
    checked: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    may_be_idle: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against the claim, and something was checked where it must be."""
        return self.wrong == 0 and (self.checked > 0 or self.may_be_idle)

    @property
    def is_shown(self) -> bool:
        """Whether something speaks for the claim."""
        return self.holds and self.checked > 0

    def expect(self, true: bool, otherwise: str) -> None:
        """Check one thing; `otherwise` says what is wrong if it does not hold."""
        self.checked += 1
        if not true:
            self.wrong += 1
            if len(self.examples) < MOST_EXAMPLES:
                self.examples.append(otherwise)
