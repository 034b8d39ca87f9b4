"""Reads of the rollup. No session is read for analytics, however many there are."""

from uuid import UUID

from clozone.analytics.periods import Span
from clozone.infra.records import Record, Statement, records
from clozone.sessions.rollup import NO_TEMPLATE, SCORES, SUMS

_SUMS = ", ".join(f"sum(d.{name}) AS {name}" for name in SUMS)
# A column each: taking the arrays apart into rows is several times slower.
_SCORE_COUNTS = (
    f"ARRAY[{', '.join(f'sum(d.score_counts[{place}])' for place in range(1, SCORES + 1))}]"
)


def daily_statement(span: Span, only_user: UUID | None) -> Statement:
    """The sums of each day on which something happened; of one person's sessions, if given."""
    where, parameters = _where(span, only_user)
    return f"SELECT d.day, {_SUMS} FROM daily_stats d {where} GROUP BY d.day", parameters  # noqa: S608


def score_counts_statement(span: Span, only_user: UUID | None) -> Statement:
    """How many sessions have each score."""
    where, parameters = _where(span, only_user)
    return f"SELECT {_SCORE_COUNTS} AS score_counts FROM daily_stats d {where}", parameters  # noqa: S608


def users_statement(span: Span, limit: int) -> Statement:
    """The people with sessions, those with the best average first, and one more than `limit`."""
    return _ranked(
        "d.user_id",
        "x.user_id, p.full_name AS user_name",
        "JOIN profiles p ON p.id = x.user_id",
        _where(span, None),
        limit,
    )


def templates_statement(span: Span, limit: int, only_user: UUID | None) -> Statement:
    """The same by template; the sessions without one come under null."""
    return _ranked(
        "d.template_id",
        f"nullif(x.template_id, '{NO_TEMPLATE}') AS template_id, t.name AS template_name",
        "LEFT JOIN templates t ON t.id = x.template_id",
        _where(span, only_user),
        limit,
    )


def daily(span: Span, only_user: UUID | None) -> list[Record]:
    """What `daily_statement` finds."""
    return records(daily_statement(span, only_user))


def score_counts(span: Span, only_user: UUID | None) -> list[int]:
    """How many sessions have the score 0, 1, … 100."""
    found = records(score_counts_statement(span, only_user))[0]["score_counts"]
    return [int(count or 0) for count in found]


def users(span: Span, limit: int) -> list[Record]:
    """What `users_statement` finds."""
    return records(users_statement(span, limit))


def templates(span: Span, limit: int, only_user: UUID | None) -> list[Record]:
    """What `templates_statement` finds."""
    return records(templates_statement(span, limit, only_user))


def _where(span: Span, only_user: UUID | None) -> Statement:
    condition = "WHERE d.day BETWEEN %(first)s AND %(last)s"
    parameters: dict[str, object] = {"first": span.first, "last": span.last}
    if only_user is not None:
        condition += " AND d.user_id = %(only_user)s"
        parameters["only_user"] = only_user
    return condition, parameters


def _ranked(group: str, columns: str, join: str, where: Statement, limit: int) -> Statement:
    condition, parameters = where
    sql = f"""
SELECT {columns}, {", ".join(f"x.{name}" for name in SUMS)}, x.score_counts
FROM (SELECT {group}, {_SUMS}, {_SCORE_COUNTS} AS score_counts
  FROM daily_stats d {condition} GROUP BY {group}
  HAVING sum(d.sessions) > 0
  ORDER BY sum(d.score_sum)::numeric / nullif(sum(d.graded), 0) DESC NULLS LAST,
    sum(d.graded) DESC, {group}
  LIMIT %(limit)s) x {join}
ORDER BY x.score_sum::numeric / nullif(x.graded, 0) DESC NULLS LAST, x.graded DESC,
  x.{group.partition(".")[2]}"""  # noqa: S608 - constants only
    return sql, {**parameters, "limit": limit + 1}
