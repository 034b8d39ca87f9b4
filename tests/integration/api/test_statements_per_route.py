"""How many statements a request costs the primary, as PostgreSQL itself counts them: not more for
25 items than for one, and few on the hottest routes.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from redis import Redis
from tests.integration.api.conftest import Callers
from tests.support.multiplied import add_copies
from tests.support.statement_counts import StatementCounts, business
from tests.support.tenancy import filled
from tests.support.tenancy_cases import CASES
from tests.support.tenant import Tenant

from clozone.settings import Settings
from clozone.web.identity import Role

MOST = 3
# What one organisation has 25 of, and one session: as in tests.support.multiplied.GROWING.
ITEMS = {
    "profiles": "'email', n || '@' || t.id || '.example'",
    "api_keys": "'key_hash', '\\x' || md5(n || 'k' || t.id)",
    "templates": "'updated_at', now()",
    "assignments": "'updated_at', now()",
    "session_reviews": "'comment', 'again'",
    "exports": "'content_hash', '\\x' || md5(n::text)",
    "jobs": "'finished_at', now()",
    "training_sessions": "'vapi_call_id', n || 'c' || t.id",
    "notification_endpoints": "'url', 'https://hooks.example/' || n",
    "notification_deliveries": "'message_id', 'msg' || n || t.id",
    "notification_attempts": "'response', 'again'",
}
READS = sorted(name for name in CASES if name.startswith("GET "))
# They ask the other servers too, or end when somebody hangs up.
APART = {"GET /api/sessions/{session_id}/events"}


@pytest.fixture(scope="module")
def counts(environment: dict[str, str], platform_db: None) -> Iterator[StatementCounts]:
    name = environment["DATABASE_URL"].rsplit("/", 1)[1]
    # Where the extension is; it counts for every database of the server.
    url = f"{environment['SUPERUSER_URL'].rsplit('/', 1)[0]}/clozone"
    counts = StatementCounts(url, name)
    yield counts
    counts.close()


@pytest.fixture(scope="module")
def one(platform_db: None) -> Tenant:
    """An organisation with one of everything."""
    return Tenant("a password")


@pytest.fixture(scope="module")
def many(platform_db: None) -> Tenant:
    """An organisation with 25 of everything."""
    tenant = Tenant("a password")
    add_copies(tenant, 24, ITEMS)
    return tenant


def _read(
    client: httpx2.Client, operation: str, tenant: Tenant, params: dict[str, Any]
) -> Callable[[], httpx2.Response]:
    """Makes the request that the operation's first case makes, for what is the tenant's own."""
    call = CASES[operation].calls[0]
    path = operation.split(" ")[1].format_map(filled(call.path, tenant.facts, tenant.facts))
    return lambda: client.get(path, params=params).raise_for_status()


@pytest.mark.parametrize("operation", [name for name in READS if name not in APART])
def test_reading_25_costs_as_many_statements_as_reading_one(
    operation: str,
    operations: dict[str, dict[str, Any]],
    counts: StatementCounts,
    one: Tenant,
    many: Tenant,
    calling: Callers,
) -> None:
    named = {each["name"] for each in operations[operation].get("parameters", [])}
    params = {"limit": 100} if "limit" in named else {}
    found = []
    for tenant, items in ((one, 1), (many, 25)):
        read = _read(calling(tenant, Role.admin), operation, tenant, params)
        page = read().json()
        if "next_cursor" in page:
            assert len(page["items"]) >= items
        found.append(counts.of(read))
    assert found[0] == found[1]


Hot = Callable[[httpx2.Client, Tenant, Settings], object]
_calls = itertools.count(1)


def _uncached(client: httpx2.Client, tenant: Tenant, settings: Settings) -> object:
    """The figures, when Redis has lost what it kept."""
    with Redis.from_url(settings.cache_url) as redis:
        redis.flushdb()
    return client.get("/api/analytics").raise_for_status()


def _delivered(client: httpx2.Client, tenant: Tenant, settings: Settings) -> object:
    """A message of Vapi's that has not been delivered yet."""
    claims = {"org_id": str(tenant.org_id), "session_id": tenant.facts["session"]}
    call = {"id": f"call-{next(_calls)}-{tenant.org_id}", "metadata": claims}
    body = {"message": {"type": "status-update", "status": "in-progress", "call": call}}
    headers = {"X-Vapi-Secret": settings.vapi_webhook_secret.get_secret_value()}
    return client.post("/api/webhooks/vapi", json=body, headers=headers).raise_for_status()


HOTTEST: dict[str, Hot] = {
    "webhook": _delivered,
    "list of sessions": lambda c, t, s: c.get("/api/sessions").raise_for_status(),
    "session": lambda c, t, s: c.get(f"/api/sessions/{t.facts['session']}").raise_for_status(),
    "start of a session": lambda c, t, s: c.post(
        "/api/sessions", json={"template_id": t.facts["template"]}
    ).raise_for_status(),
    "analytics, not cached": _uncached,
}


@pytest.mark.parametrize("name", HOTTEST)
def test_the_hottest_routes_cost_few_statements_and_25_items_no_more(
    name: str,
    settings: Settings,
    counts: StatementCounts,
    one: Tenant,
    many: Tenant,
    calling: Callers,
    record_property: Callable[[str, object], None],
) -> None:
    found = []
    for tenant in (one, many):
        client = calling(tenant, Role.rep)

        def request(client: httpx2.Client = client, tenant: Tenant = tenant) -> object:
            return HOTTEST[name](client, tenant, settings)

        request()
        found.append(counts.of(request))
    record_property("all", found[1].total())
    record_property("business", business(found[1]).total())
    assert found[0] == found[1]
    assert 1 <= business(found[1]).total() <= MOST, [*found[1].elements()]


def test_analytics_from_the_cache_cost_no_statement(
    counts: StatementCounts, one: Tenant, calling: Callers
) -> None:
    client = calling(one, Role.manager)
    for path in ("/api/analytics", "/api/analytics/users", "/api/analytics/templates"):
        client.get(path).raise_for_status()
        assert counts.of(lambda path=path: client.get(path).raise_for_status()) == Counter()  # type: ignore[misc]
