"""No list and no hot statement reads a growing table from end to end: what the repositories really
send is explained on tables with many rows.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from tests.support.multiplied import GROWING, multiply
from tests.support.plans import Plan, plans_of
from tests.support.tenant import Tenant

from clozone.accounts.repository import api_keys, profiles
from clozone.exports import repository as exports
from clozone.grading import repository as grades
from clozone.infra.postgres import Scope
from clozone.jobs import ledger, reports
from clozone.jobs.kinds import KINDS, State
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.kit.pagination import Position
from clozone.llm import account_book
from clozone.notifications.repository import deliveries
from clozone.reconciler import local
from clozone.sessions import erasure
from clozone.sessions import repository as sessions
from clozone.sessions.schemas import SessionQuery
from clozone.settings import Settings
from clozone.training.repository import assignments, templates
from clozone.web.identity import Role
from clozone.webhooks import inbox, selection

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Run = Callable[[Tenant], Any]


@pytest.fixture(scope="module")
def crowd(platform_db: None, settings: Settings) -> Tenant:
    """One of eight organisations with many rows in every growing table."""
    tenants = [Tenant("a password") for _ in range(8)]
    multiply(tenants, settings)
    return tenants[0]


def _listed(only_user: Role | None = None, **query: Any) -> Run:
    """A page of sessions; values that are facts of the tenant stand for them."""

    def run(tenant: Tenant) -> Any:
        named = {name: tenant.facts.get(value, value) for name, value in query.items()}
        owner = tenant.people[only_user] if only_user else None
        return sessions.session_page(SessionQuery.model_validate(named), owner, None)

    return run


def _deep() -> Position:
    return Position(now() - 5 * DAY, new_id())


TENANT: dict[str, Run] = {
    "sessions": _listed(),
    "sessions, deep": lambda t: sessions.session_page(SessionQuery(), None, _deep()),
    "sessions of a rep": _listed(Role.rep),
    "sessions of a template": _listed(template_id="template"),
    "sessions of an assignment": _listed(assignment_id="assignment"),
    "sessions by status": _listed(status="failed"),
    "sessions that closed": _listed(closed=True),
    "sessions for review": _listed(submitted_for_review=True),
    "sessions of a week": _listed(**{"from": (now() - 7 * DAY).isoformat()}),
    "session": lambda t: sessions.session_detail(t.id("session")),
    "session's reviews": lambda t: sessions.reviews(t.id("session")),
    "session's jobs and exports": lambda t: sessions.jobs_and_exports(t.id("session")),
    "exports": lambda t: exports.select_exports(t.id("session"), None, 25),
    "export": lambda t: exports.select_export(t.id("export")),
    "scorecard's facts": lambda t: exports.select_facts(t.id("session")),
    "scorecard of a content": lambda t: exports.select_state(t.id("session"), b"1"),
    "job of a session": lambda t: exports.has_job(t.id("session"), "x.y", ("queued",)),
    "grade": lambda t: grades.grade_of(t.id("session")),
    "call to grade": lambda t: grades.call_to_grade(t.id("session")),
    "job": lambda t: grades.visible_job(t.id("job"), t.people[Role.rep]),
    "people": lambda t: profiles.page(None, 25),
    "people, deep": lambda t: profiles.page(_deep(), 25),
    "people by role": lambda t: profiles.page(None, 25, role=Role.rep),
    "people by name": lambda t: profiles.page(None, 25, search="rep"),
    "templates": lambda t: templates.page(None, 25, archived=False, created_by=None),
    "templates, deep": lambda t: templates.page(_deep(), 25, archived=False, created_by=None),
    "assignments": lambda t: assignments.page(
        None, 25, user_id=None, template_id=None, archived=False
    ),
    "assignments of a template": lambda t: assignments.page(
        None, 25, user_id=None, template_id=t.id("template"), archived=False
    ),
    "assignments of a rep": lambda t: assignments.page(
        None, 25, user_id=t.people[Role.rep], template_id=None, archived=False
    ),
    "API keys": lambda t: api_keys.page(None, 25),
    "notifications": lambda t: deliveries.page(t.id("endpoint"), None, 25, state=None, event=None),
    "notifications, deep": lambda t: deliveries.page(
        t.id("endpoint"), _deep(), 25, state="failed", event="session.graded"
    ),
    "notification's attempts": lambda t: deliveries.attempts_of(t.id("delivery")),
    "notifications held": lambda t: deliveries.held(t.id("endpoint"), 100),
    "notifications that end": lambda t: deliveries.fail_held(t.id("endpoint"), now(), "", now()),
}
PLATFORM: dict[str, Run] = {
    "sign-in": lambda t: profiles.by_email(t.facts["email"]),
    "another issuer's sign-in": lambda t: profiles.by_subject("subject"),
    "API key": lambda t: api_keys.with_maker(b"hash"),
    "delivery claimed": lambda t: inbox.claim(t.id("event")),
    "delivery settled": lambda t: inbox.settle(t.id("event"), "processed", None, t.id("session")),
    "deliveries": lambda t: selection.latest(selection.Selection(), 50),
    "deliveries of a call": lambda t: selection.page(selection.Selection(call_id="call"), 50),
    "deliveries of a day": lambda t: selection.page(selection.Selection(since=now() - DAY), 50),
    "deliveries, dead": lambda t: selection.page(selection.Selection(states=("dead",)), 50),
    "deliveries of an organisation": lambda t: selection.page(
        selection.Selection(org_id=t.org_id), 50
    ),
    "jobs": lambda t: reports.listed(),
    "jobs, dead": lambda t: reports.listed(states=[State.dead]),
    "jobs of an organisation": lambda t: reports.listed(org_id=t.org_id),
    "dead letters": lambda t: reports.dead_letters(),
    "backlog": lambda t: reports.backlog(),
    "jobs due": lambda t: ledger.promote_due(),
    "leases expired": lambda t: ledger.reclaim_expired(),
    "jobs queued": lambda t: ledger.some_queued(list(KINDS.values()), 10),
    "old notifications": lambda t: deliveries.prune(now() - 90 * DAY, 100),
    "abandoned model calls": lambda t: account_book.give_up_all_abandoned(now() - HOUR),
    "erasure": lambda t: erasure.erase_traces(t.id("session")),
    "stalled": lambda t: list(local.stalled(now() - DAY)),
    "scorecards missing": lambda t: local.scorecards(now() - HOUR),
    "recordings missing": lambda t: local.recordings(now() - HOUR, with_key=True),
    "deliveries by reason": lambda t: selection.reasons(
        selection.Selection(since=now() - HOUR, states=("dead",))
    ),
}


@pytest.fixture(scope="module")
def explained(crowd: Tenant) -> Callable[[str], list[Plan]]:
    @cache
    def explained(name: str) -> list[Plan]:
        if name in TENANT:
            return plans_of(Scope.tenant(crowd.org_id), lambda: TENANT[name](crowd))
        return plans_of(Scope.platform(), lambda: PLATFORM[name](crowd))

    return explained


@pytest.mark.parametrize("name", [*TENANT, *PLATFORM])
def test_no_growing_table_is_read_from_end_to_end(
    explained: Callable[[str], list[Plan]], name: str
) -> None:
    plans = explained(name)
    assert plans, "it sent nothing"
    for plan in plans:
        assert plan.scanned_whole() & GROWING.keys() == set(), f"{plan.sql}\n{plan.text}"


@pytest.mark.parametrize("name", [*TENANT, *PLATFORM])
def test_pages_are_found_by_a_place_and_not_by_counting(
    explained: Callable[[str], list[Plan]], name: str
) -> None:
    assert [plan.sql for plan in explained(name) if plan.skips_rows()] == []
