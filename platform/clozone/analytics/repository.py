"""Reads of the rollup. No session is read for analytics, however many there are.

The functions of the database take role and organisation themselves; each is one round trip. A row
begins with what it is about, then come the sums, then counts of scores.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from clozone.analytics.periods import Span
from clozone.infra.reads import Reads
from clozone.sessions.rollup import EVERYONE

Rows = Sequence[Sequence[Any]]

_REPORT = "SELECT * FROM analytics_report($1, $2, $3, $4)"
_USERS = "SELECT * FROM analytics_users($1, $2, $3, $4)"
_TEMPLATES = "SELECT * FROM analytics_templates($1, $2, $3, $4, $5)"


async def report(
    reads: Reads, org_id: UUID, only_user: UUID | None, span: Span, *, after: int
) -> Rows:
    """Running totals: of each day of the span on which something changed; then, with counts of
    scores, at its last day, before its first, and before the span that precedes it. Those that
    would be before anything happened are left out.
    """
    who = only_user or EVERYONE
    return await reads.fetch(_REPORT, org_id, who, span.first, span.last, after=after)


async def users(reads: Reads, org_id: UUID, span: Span, limit: int, *, after: int) -> Rows:
    """The people with sessions, those with the best average first, and one more than `limit`.

    Each with its id and name, the sums of the span, and the counts of scores at its end and before
    it (None when there was nothing before).
    """
    return await reads.fetch(_USERS, org_id, span.first, span.last, limit + 1, after=after)


async def templates(
    reads: Reads, org_id: UUID, only_user: UUID | None, span: Span, limit: int, *, after: int
) -> Rows:
    """The same by template; the sessions without one come under None."""
    who = only_user or EVERYONE
    return await reads.fetch(_TEMPLATES, org_id, who, span.first, span.last, limit + 1, after=after)
