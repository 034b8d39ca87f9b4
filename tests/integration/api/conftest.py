from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from tests.support.people import Team
from tests.support.tenant import Tenant

from clozone.accounts.tokens import AccessTokens
from clozone.settings import Settings
from clozone.web.identity import Role

Callers = Callable[..., httpx2.Client]


@pytest.fixture(scope="session")
def document(web: str) -> dict[str, Any]:
    """The OpenAPI document as the web process serves it."""
    answer = httpx2.get(f"{web}/api/openapi.json")
    answer.raise_for_status()
    return dict(answer.json())


@pytest.fixture(scope="session")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The document's operations by method and path: `GET /api/users`."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.fixture(scope="module")
def theirs(platform_db: None) -> Tenant:
    """The organisation that nobody here may reach."""
    return Tenant("their secret password")


@pytest.fixture
def ours(platform_db: None) -> Tenant:
    """The organisation of the callers."""
    return Tenant("our secret password")


@pytest.fixture
def calling(web: str, settings: Settings) -> Iterator[Callers]:
    """Makes clients: `calling(tenant, role)`, `calling(headers={…})`, `calling()` without any."""
    tokens = AccessTokens(settings)
    clients: list[httpx2.Client] = []

    def calling(
        tenant: Tenant | Team | None = None,
        role: Role | None = None,
        *,
        lifetime_seconds: int = 600,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Client:
        headers = headers or {}
        if tenant is not None and role is not None:
            token = tokens.issue(
                tenant.people[role], tenant.org_id, role, lifetime_seconds=lifetime_seconds
            )
            headers["Authorization"] = f"Bearer {token}"
        # Without TLS there is nothing to verify, and loading certificates is slow.
        client = httpx2.Client(
            base_url=web, headers=headers, timeout=30, trust_env=False, verify=False
        )
        clients.append(client)
        return client

    yield calling
    for client in clients:
        client.close()
