"""What a scorecard is made from, as it stands in the database, and the hash that names it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

# Part of the hash: raise it when the page changes, and every scorecard is made anew when next asked
# for.
LAYOUT = 1


@dataclass(frozen=True, slots=True)
class ScorecardFacts:
    """A graded session with the names on its scorecard.

    The JSON members are as the slices that write them left them: `transcript` a list of turns,
    `metrics` a `CallMetrics.to_json()`, `criteria` and `blockers` a `ScoredCall`'s. `passed` is the
    verdict that holds after review. `reviewer` and `review_comment` are of the last review, None
    without one; `overrider` and `override_comment` of the one before it that set the score, if the
    last one left it as it was.
    """

    session_id: UUID
    organisation: str
    rep_name: str
    scenario: str
    called_at: datetime
    duration_seconds: float | None
    transcript: list[dict[str, Any]]
    metrics: dict[str, Any]
    score: int
    passed: bool
    pass_score: int
    override_score: int | None
    criteria: list[dict[str, Any]]
    blockers: list[dict[str, Any]]
    summary: str
    strengths: list[str]
    next_steps: list[str]
    better_lines: list[dict[str, Any]]
    model: str
    prompt_version: str
    graded_at: datetime
    reviewer: str | None
    review_comment: str | None
    overrider: str | None
    override_comment: str | None

    def content_hash(self) -> bytes:
        """SHA-256 of everything above: equal exactly when the page would be."""
        content = orjson.dumps([LAYOUT, self], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).digest()
