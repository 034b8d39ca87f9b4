from collections.abc import Callable, Iterator
from uuid import UUID

import httpx2
import pytest
from tests.support.practice import Practice

from clozone.accounts.tokens import AccessTokens
from clozone.infra.cache import init_cache
from clozone.infra.progress import init_progress
from clozone.settings import Settings
from clozone.web.identity import Role


@pytest.fixture
def practice(platform_db: None, settings: Settings) -> Practice:
    """An organisation whose changes are announced as a worker's are."""
    init_cache(settings)
    init_progress(settings)
    return Practice()


@pytest.fixture
def client_of(web: str, settings: Settings) -> Iterator[Callable[[Practice, UUID], httpx2.Client]]:
    """Makes clients of the web process for people of an organisation."""
    tokens = AccessTokens(settings)
    clients: list[httpx2.Client] = []

    def client_of(practice: Practice, user_id: UUID) -> httpx2.Client:
        role = Role.manager if user_id == practice.manager else Role.rep
        token = tokens.issue(user_id, practice.org_id, role)
        headers = {"Authorization": f"Bearer {token}"}
        clients.append(httpx2.Client(base_url=web, headers=headers, timeout=30, trust_env=False))
        return clients[-1]

    yield client_of
    for client in clients:
        client.close()


@pytest.fixture
def manager(client_of: Callable[..., httpx2.Client], practice: Practice) -> httpx2.Client:
    return client_of(practice, practice.manager)


@pytest.fixture
def rep(client_of: Callable[..., httpx2.Client], practice: Practice) -> httpx2.Client:
    return client_of(practice, practice.rep)
