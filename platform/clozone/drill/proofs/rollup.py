"""Each session counts once in the analytics: the rollup equals a count made here."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import Any
from uuid import UUID

from clozone.drill.evidence import Evidence, Proof

COLUMNS = (
    "sessions",
    "graded",
    "passed",
    "not_gradable",
    "closed_won",
    "score_sum",
    "duration_ms",
    "talk_ratio_permille",
    "talk_ratio_sessions",
    "call_cost_microdollars",
)
SCORES = 101
# Stands in the rollup for every rep, and for every template.
ALL = "ffffffff-ffff-ffff-ffff-ffffffffffff"
Key = tuple[str, ...]
Totals = dict[str, Any]


def prove_rollup(evidence: Evidence) -> Proof:
    """Every column of `daily_stats`: what each day added, for each rep and for all of them, by each
    template and by all of them.
    """
    proof = Proof("rollup", "every session counts once in the analytics, in every column")
    counted = _count(evidence)
    kept = _kept(evidence)
    for key in sorted({*counted, *kept}):
        ours, theirs = counted.get(key, _nothing()), kept.get(key, _nothing())
        for name in (*COLUMNS, "score_counts"):
            proof.expect(
                ours[name] == theirs[name],
                f"{name} of rep {key[1]} with template {key[2]} on {key[3]}:"
                f" {theirs[name]}, counted {ours[name]}",
            )
    proof.facts = {
        name: sum(totals[name] for key, totals in kept.items() if key[1:3] == (ALL, ALL))
        for name in ("sessions", "graded", "not_gradable")
    }
    return proof


def _count(evidence: Evidence) -> dict[Key, Totals]:
    rows = evidence.database.rows(
        """
        SELECT s.org_id::text, s.user_id::text, coalesce(s.template_id, %(none)s)::text,
          (s.created_at AT TIME ZONE 'UTC')::date::text,
          s.status, g.score, g.passed, s.closed,
          coalesce(round((s.duration_seconds * 1000)::numeric), 0)::bigint,
          round((s.metrics ->> 'talk_ratio')::numeric * 1000)::bigint,
          coalesce(s.call_cost_microdollars, 0)
        FROM training_sessions s LEFT JOIN session_grades g ON g.session_id = s.id
        WHERE s.org_id = ANY(%(orgs)s) AND s.deleted_at IS NULL
        """,
        orgs=evidence.orgs,
        none=UUID(int=0),
    )
    counted: dict[Key, Totals] = defaultdict(_nothing)
    for org, user, template, day, *session in rows:
        for key in product([org], [user, ALL], [template, ALL], [day]):
            _add(counted[key], session)
    # Sessions that were started and never called add nothing, and so have no row.
    return _without_nothing(counted)


def _add(total: Totals, session: Sequence[Any]) -> None:
    status, score, passed, closed, duration, ratio, cost = session
    total["sessions"] += status in ("completed", "not_gradable")
    total["not_gradable"] += status == "not_gradable"
    total["closed_won"] += closed is True
    total["duration_ms"] += duration
    total["talk_ratio_permille"] += ratio or 0
    total["talk_ratio_sessions"] += ratio is not None
    total["call_cost_microdollars"] += cost
    if status == "completed" and score is not None:
        total["graded"] += 1
        total["passed"] += passed
        total["score_sum"] += score
        total["score_counts"][score] += 1


def _kept(evidence: Evidence) -> dict[Key, Totals]:
    """What each row has more than the one of the day before it."""
    rows = evidence.database.rows(
        f"""
        SELECT org_id::text, user_id::text, template_id::text, day::text, {", ".join(COLUMNS)},
          score_totals
        FROM daily_stats WHERE org_id = ANY(%(orgs)s) ORDER BY day
        """,  # noqa: S608 - constants only
        orgs=evidence.orgs,
    )
    kept: dict[Key, Totals] = {}
    before: dict[Key, Totals] = defaultdict(_nothing)
    for org, user, template, day, *sums, score_totals in rows:
        totals = dict(zip(COLUMNS, sums, strict=True)) | {"score_counts": score_totals}
        earlier = before[org, user, template]
        kept[org, user, template, day] = {
            name: totals[name] - earlier[name] for name in COLUMNS
        } | {
            "score_counts": [
                count - less
                for count, less in zip(score_totals, earlier["score_counts"], strict=True)
            ]
        }
        before[org, user, template] = totals
    return _without_nothing(kept)


def _nothing() -> Totals:
    return dict.fromkeys(COLUMNS, 0) | {"score_counts": [0] * SCORES}


def _without_nothing(totals: dict[Key, Totals]) -> dict[Key, Totals]:
    return {key: total for key, total in totals.items() if total != _nothing()}
