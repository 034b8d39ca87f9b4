"""Budgets: what is reserved and spent of a cap in one day or month (UTC), never more than the cap.

Reserving is one conditional statement per budget, so that any number of callers at once cannot
together exceed it. The call remembers the budgets that it reserved in, so that settling it moves
exactly what was reserved, whatever budgets were added or removed meanwhile. Rows are always locked
in the order of the budgets' ids, so that no two callers wait for each other.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from uuid import UUID

from clozone.infra.postgres import Scope, database, unit_of_work
from clozone.jobs.notices import tell
from clozone.kit.clock import iso, now
from clozone.llm.errors import BudgetExhausted

Period = Literal["day", "month"]

_WINDOWS = """
FROM budget_windows w JOIN budgets b ON b.id = w.budget_id
WHERE b.id = ANY(%(ids)s)
  AND w.starts_on = CASE b.period WHEN 'day' THEN %(day)s ELSE %(month)s END
"""
_MOVE = f"""
UPDATE budget_windows SET reserved_microdollars = reserved_microdollars + %(reserved)s,
  spent_microdollars = spent_microdollars + %(spent)s
WHERE (budget_id, starts_on) IN (SELECT w.budget_id, w.starts_on {_WINDOWS})
"""  # noqa: S608 - constants only
_WINDOW_OF = """
INSERT INTO budget_windows
  (budget_id, org_id, starts_on, reserved_microdollars, spent_microdollars)
SELECT id, org_id, %(start)s, 0, 0 FROM budgets WHERE id = %(budget)s ON CONFLICT DO NOTHING
"""


def reserve(org_id: UUID, microdollars: int, moment: datetime) -> list[UUID]:
    """Reserve in every budget of the organisation and of the installation; the budgets' ids.

    Raises BudgetExhausted if one has no room; the transaction must then be rolled back. What costs
    nothing needs no room.
    """
    if microdollars == 0:
        return []
    # The lock keeps a budget from being deleted until its window has been written.
    budgets = database.execute_sql(
        """
        SELECT id, period, org_id FROM budgets WHERE org_id = %s OR org_id IS NULL
        ORDER BY id FOR KEY SHARE
        """,
        (org_id,),
    ).fetchall()
    for budget_id, period, owner in budgets:
        if not _take(budget_id, window(period, moment), microdollars):
            raise _exhausted(budget_id, period, owner, moment)
    return [budget_id for budget_id, _, _ in budgets]


def move(budget_ids: list[UUID], moment: datetime, *, reserved: int, spent: int) -> None:
    """Add micro-dollars to what is reserved and spent in the windows that `moment` lies in.

    Both may be negative. A call may turn out dearer than what was reserved for it: then the window
    says so, and nothing more is reserved in it.
    """
    if not budget_ids or not (reserved or spent):
        return
    amounts = {
        "ids": budget_ids,
        "reserved": reserved,
        "spent": spent,
        "day": window("day", moment),
        "month": window("month", moment),
    }
    # The locks first: an UPDATE takes them in whatever order it finds the rows.
    database.execute_sql(f"SELECT {_WINDOWS} ORDER BY w.budget_id FOR UPDATE OF w", amounts)
    database.execute_sql(_MOVE, amounts)


def refuse_without_room(org_id: UUID) -> None:
    """Raise BudgetExhausted if there is no room for a call as large as the organisation's latest.

    For somebody who waits: it reserves nothing, and the call itself may still find no room. Opens
    its own unit of work.
    """
    moment = now()
    with unit_of_work(Scope.platform()):
        full = database.execute_sql(
            """
            SELECT b.id, b.period, b.org_id FROM budgets b
            LEFT JOIN budget_windows w ON w.budget_id = b.id
              AND w.starts_on = CASE b.period WHEN 'day' THEN %(day)s ELSE %(month)s END
            WHERE (b.org_id = %(org)s OR b.org_id IS NULL)
              AND b.cap_microdollars < coalesce(w.reserved_microdollars + w.spent_microdollars, 0)
                + (SELECT reserved_microdollars FROM llm_calls
                  WHERE org_id = %(org)s AND state <> 'cached'
                  ORDER BY created_at DESC LIMIT 1)
            ORDER BY b.period DESC LIMIT 1
            """,
            {"org": org_id, "day": window("day", moment), "month": window("month", moment)},
        ).fetchone()
    if full is not None:
        budget_id, period, owner = full
        refusal = _exhausted(budget_id, period, owner, moment)
        note_exhausted(refusal)
        raise refusal


def note_exhausted(refusal: BudgetExhausted) -> None:
    """Tell of a budget that has no room for a call, the first time in its day or month.

    Opens its own unit of work: that of the refused call is rolled back. Noting it and telling of it
    commit together, so it is told once, however many calls are refused at the same time.
    """
    facts = {"budget": refusal.budget_id, "start": refusal.starts_on}
    with unit_of_work(Scope.platform()):
        database.execute_sql(_WINDOW_OF, facts)
        noted = database.execute_sql(
            """
            UPDATE budget_windows w SET exhausted_at = now() FROM budgets b
            WHERE b.id = w.budget_id AND b.id = %(budget)s AND w.starts_on = %(start)s
              AND w.exhausted_at IS NULL
            RETURNING b.org_id, b.period, b.cap_microdollars
            """,
            facts,
        ).fetchone()
        if noted is None:
            return
        owner, period, cap = noted
        data = {
            "budget_id": str(refusal.budget_id),
            "scope": "organization" if owner else "installation",
            "period": period,
            "starts_on": refusal.starts_on.isoformat(),
            "resets_at": iso(refusal.resets_at),
        }
        # What the whole installation may spend is the operator's business.
        amount = {"cap_microdollars": cap} if owner else {}
        tell("budget.reached", data | amount, org_id=owner)


def window(period: Period, moment: datetime) -> date:
    """The first day of the day or month (UTC) that `moment` lies in."""
    day = moment.astimezone(UTC).date()
    return day if period == "day" else day.replace(day=1)


def window_end(period: Period, moment: datetime) -> datetime:
    """When the window that `moment` lies in gives way to the next one."""
    start = datetime.combine(window(period, moment), time(), UTC)
    # From the first of a month, 31 days always lead into the next and never beyond it.
    after = start + timedelta(days=1 if period == "day" else 31)
    return datetime.combine(window(period, after), time(), UTC)


def _exhausted(
    budget_id: UUID, period: Period, owner: UUID | None, moment: datetime
) -> BudgetExhausted:
    whose = "organisation's" if owner else "installation's"
    return BudgetExhausted(
        f"The {whose} budget for this {period} (UTC) has no room for another model call. "
        "An administrator can raise it.",
        budget_id=budget_id,
        period=period,
        starts_on=window(period, moment),
        resets_at=window_end(period, moment),
    )


def _take(budget_id: UUID, starts_on: date, microdollars: int) -> bool:
    facts = {"budget": budget_id, "start": starts_on, "amount": microdollars}
    database.execute_sql(_WINDOW_OF, facts)
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
