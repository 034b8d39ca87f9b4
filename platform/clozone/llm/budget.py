"""Budgets: what is reserved and spent of a cap in one day or month (UTC), never more than the cap.

Reserving is one conditional statement per budget, so that any number of callers at once cannot
together exceed it. The call remembers the budgets that it reserved in, so that settling it moves
exactly what was reserved, whatever budgets were added or removed meanwhile.
"""

from datetime import UTC, date, datetime
from uuid import UUID

from clozone.infra.postgres import database
from clozone.llm.errors import BudgetExhausted

PERIODS = ("day", "month")


def reserve(org_id: UUID, microdollars: int, moment: datetime) -> list[UUID]:
    """Reserve in every budget of the organisation and of the installation; the budgets' ids.

    Raises BudgetExhausted if one has no room; the transaction must then be rolled back. Budgets are
    taken in the order of their ids, so that two callers cannot wait for each other.
    """
    budgets = database.execute_sql(
        "SELECT id, period, org_id FROM budgets WHERE org_id = %s OR org_id IS NULL ORDER BY id",
        (org_id,),
    ).fetchall()
    for budget_id, period, owner in budgets:
        if not _take(budget_id, owner, window(period, moment), microdollars):
            whose = "organisation's" if owner else "installation's"
            raise BudgetExhausted(
                f"The {whose} budget for this {period} (UTC) has no room for another model call. "
                "An administrator can raise it.",
                period=period,
            )
    return [budget_id for budget_id, _, _ in budgets]


def settle(
    budget_ids: list[UUID], moment: datetime, reserved_microdollars: int, spent_microdollars: int
) -> None:
    """Turn a reservation made at `moment` into what the call did cost; 0 releases it."""
    database.execute_sql(
        """
        UPDATE budget_windows w SET reserved_microdollars = w.reserved_microdollars - %(reserved)s,
          spent_microdollars = w.spent_microdollars + %(spent)s
        FROM (SELECT id, period FROM budgets WHERE id = ANY(%(ids)s) ORDER BY id FOR SHARE) b
        WHERE w.budget_id = b.id
          AND w.starts_on = CASE b.period WHEN 'day' THEN %(day)s ELSE %(month)s END
        """,
        {
            "ids": budget_ids,
            "reserved": reserved_microdollars,
            "spent": spent_microdollars,
            "day": window("day", moment),
            "month": window("month", moment),
        },
    )


def window(period: str, moment: datetime) -> date:
    """The first day of the day or month (UTC) that `moment` lies in."""
    day = moment.astimezone(UTC).date()
    return day if period == "day" else day.replace(day=1)


def _take(budget_id: UUID, owner: UUID | None, starts_on: date, microdollars: int) -> bool:
    facts = {"budget": budget_id, "owner": owner, "start": starts_on, "amount": microdollars}
    database.execute_sql(
        """
        INSERT INTO budget_windows
          (budget_id, org_id, starts_on, reserved_microdollars, spent_microdollars)
        VALUES (%(budget)s, %(owner)s, %(start)s, 0, 0) ON CONFLICT DO NOTHING
        """,
        facts,
    )
    taken = database.execute_sql(
        """
        UPDATE budget_windows w SET reserved_microdollars = w.reserved_microdollars + %(amount)s
        FROM budgets b WHERE b.id = w.budget_id AND w.budget_id = %(budget)s
          AND w.starts_on = %(start)s
          AND w.reserved_microdollars + w.spent_microdollars + %(amount)s <= b.cap_microdollars
        RETURNING w.budget_id
        """,
        facts,
    ).fetchone()
    return taken is not None
