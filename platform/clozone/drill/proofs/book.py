"""The account book of the drill's organisations, beside the model's own count of the same contents."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from clozone.drill.evidence import Evidence
from clozone.drill.model import Answers
from clozone.drill.proofs.lost import LostTry, excused_tries

Content = tuple[UUID, bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the book. `told`: it knows the answer's tokens; `unknown`: nobody knows its cost.

    `abandoned`: closed because the process that asked was gone; `excused`: made in a try that was
    lost for a reason on record.
    """

    org_id: UUID
    key: bytes
    state: str
    told: bool
    unknown: bool
    abandoned: bool
    excused: bool

    @property
    def content(self) -> Content:
        """Of whom and what."""
        return self.org_id, self.key


@dataclass(slots=True)
class Account:
    """What the book and the model say of contents that have the same answer.

    The answer's text is what both sides know. Most have one of their own; a few calls that differ in
    words which prove nothing share theirs.
    """

    calls: list[Call] = field(default_factory=list)
    asked: int = 0
    answered: int = 0

    @property
    def late(self) -> int:
        """Second purchases by workers that had lost their job meanwhile, recorded all the same."""
        by_content = _settled(self.calls)
        return sum(min(len(b) - 1, sum(c.excused for c in b)) for b in by_content.values())

    @property
    def twice(self) -> list[Content]:
        """Contents that were bought again with no such reason."""
        return [
            content
            for content, bought in _settled(self.calls).items()
            if len(bought) - 1 > sum(call.excused for call in bought)
        ]

    @property
    def bought(self) -> int:
        """Contents with a usable answer."""
        return len(_settled(self.calls))

    @property
    def useless(self) -> int:
        """Answers that were paid for and could not be used, so that asking again was right."""
        return sum(call.state == "failed" and call.told for call in self.calls)

    @property
    def given_up(self) -> int:
        """Calls of which nobody knows whether they were answered; they count at their most."""
        return sum(call.unknown for call in self.calls)

    @property
    def interrupted(self) -> int:
        """Answers of the model beyond those that somebody has or could not use."""
        return self.answered - self.bought - self.useless

    @property
    def explained(self) -> int:
        """How many interrupted answers the book accounts for, at most.

        Late ones, and those of calls that were left behind; but of these the model may have left
        some unanswered, by its own count: the refusals and silences that no other row tells of.
        """
        left = sum(call.unknown and (call.abandoned or call.excused) for call in self.calls)
        failed = sum(call.state == "failed" and not call.told for call in self.calls)
        unanswered = max(self.asked - self.answered - (failed - left), 0)
        return self.late + max(left - unanswered, 0)


def read_book(evidence: Evidence) -> list[Account]:
    """The accounts of everything that the drill's organisations asked."""
    texts = _texts(evidence)
    accounts: dict[str, Account] = defaultdict(Account)
    for call in _calls(evidence):
        accounts[texts.get(call.content, "")].calls.append(call)
    if evidence.alone:
        _add_the_models_count(accounts, evidence.answers)
    return list(accounts.values())


def _add_the_models_count(accounts: dict[str, Account], told: Answers) -> None:
    for content in {*told.asked, *told.by_content}:
        text = told.texts.get(content, "")
        # Without an answer in the book it is one of the contents that have none there.
        account = accounts[text if text in accounts else ""]
        account.asked += told.asked.get(content, 0)
        account.answered += told.by_content.get(content, 0)


def _settled(calls: Sequence[Call]) -> Mapping[Content, list[Call]]:
    by_content: dict[Content, list[Call]] = defaultdict(list)
    for call in calls:
        if call.state == "settled":
            by_content[call.content].append(call)
    return by_content


def _calls(evidence: Evidence) -> list[Call]:
    excused = excused_tries(evidence)
    rows = evidence.database.rows(
        """
        SELECT job_id, created_at, org_id, cache_key, state, prompt_tokens IS NOT NULL,
          state = 'failed' AND cost_microdollars IS NULL AND prompt_tokens IS NULL,
          coalesce(error LIKE 'abandoned:%%', false)
        FROM llm_calls WHERE org_id = ANY(%(orgs)s) AND state != 'cached'
        """,
        orgs=evidence.orgs,
    )
    return [Call(*(*row[2:], _is_excused(row[0], row[1], excused))) for row in rows]


def _is_excused(
    job_id: UUID | None, created_at: datetime, excused: Mapping[UUID, Sequence[LostTry]]
) -> bool:
    tries = excused.get(job_id, ()) if job_id else ()
    return any(each.covers(created_at) for each in tries)


def _texts(evidence: Evidence) -> dict[Content, str]:
    """What was answered to each content, as SHA-256 (hex) of the text."""
    rows = evidence.database.rows(
        "SELECT org_id, cache_key, content FROM llm_cache WHERE org_id = ANY(%(orgs)s)",
        orgs=evidence.orgs,
    )
    return {(org, key): hashlib.sha256(text.encode()).hexdigest() for org, key, text in rows}
