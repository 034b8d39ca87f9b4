"""Each session counts once in the analytics: the rollup equals a count made here."""

from collections import defaultdict
from typing import Any

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
Totals = dict[str, Any]


def prove_rollup(evidence: Evidence) -> Proof:
    """Every column of `daily_stats`, for every day, rep and template."""
    proof = Proof("rollup", "every session counts once in the analytics, in every column")
    counted = _count(evidence)
    kept = _kept(evidence)
    for key in sorted({*counted, *kept}):
        ours, theirs = counted.get(key, _nothing()), kept.get(key, _nothing())
        for name in (*COLUMNS, "score_counts"):
            proof.expect(
                ours[name] == theirs[name],
                f"{name} of rep {key[1]} on {key[0]}: {theirs[name]}, counted {ours[name]}",
            )
    proof.facts = {
        name: sum(totals[name] for totals in kept.values())
        for name in ("sessions", "graded", "not_gradable")
    }
    return proof


def _count(evidence: Evidence) -> dict[tuple[str, ...], Totals]:
    rows = evidence.database.rows(
        """
        SELECT (s.created_at AT TIME ZONE 'UTC')::date::text, s.user_id::text, s.template_id::text,
          s.status, g.score, g.passed, s.closed,
          coalesce(round((s.duration_seconds * 1000)::numeric), 0)::bigint,
          round((s.metrics ->> 'talk_ratio')::numeric * 1000)::bigint,
          coalesce(s.call_cost_microdollars, 0)
        FROM training_sessions s LEFT JOIN session_grades g ON g.session_id = s.id
        WHERE s.org_id = ANY(%(orgs)s) AND s.deleted_at IS NULL
        """,
        orgs=evidence.orgs,
    )
    counted: dict[tuple[str, ...], Totals] = defaultdict(_nothing)
    for day, user, template, status, score, passed, closed, duration, ratio, cost in rows:
        total = counted[day, user, template]
        graded = status == "completed" and score is not None
        total["sessions"] += status in ("completed", "not_gradable")
        total["not_gradable"] += status == "not_gradable"
        total["closed_won"] += closed is True
        total["duration_ms"] += duration
        total["talk_ratio_permille"] += ratio or 0
        total["talk_ratio_sessions"] += ratio is not None
        total["call_cost_microdollars"] += cost
        if graded:
            total["graded"] += 1
            total["passed"] += passed
            total["score_sum"] += score
            total["score_counts"][score] += 1
    # Sessions that were started and never called add nothing, and so have no row.
    return {key: total for key, total in counted.items() if total != _nothing()}


def _kept(evidence: Evidence) -> dict[tuple[str, ...], Totals]:
    rows = evidence.database.rows(
        f"""
        SELECT day::text, user_id::text, template_id::text, {", ".join(COLUMNS)}, score_counts
        FROM daily_stats WHERE org_id = ANY(%(orgs)s)
        """,  # noqa: S608 - constants only
        orgs=evidence.orgs,
    )
    return {row[:3]: dict(zip((*COLUMNS, "score_counts"), row[3:], strict=True)) for row in rows}


def _nothing() -> Totals:
    return dict.fromkeys(COLUMNS, 0) | {"score_counts": [0] * SCORES}
