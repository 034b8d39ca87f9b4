"""People and practice for the tests of slices."""

from collections.abc import Callable, Iterator
from uuid import UUID

import httpx2
import pytest
from tests.support.command import Clozone, command_in
from tests.support.people import SignIn, Team, signing_in
from tests.support.practice import Practice

from clozone.accounts.tokens import AccessTokens
from clozone.settings import Settings
from clozone.web.identity import Role


@pytest.fixture
def practice(platform_db: None) -> Practice:
    """An organisation with a manager, a rep and something to practise."""
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


@pytest.fixture
def team(platform_db: None) -> Team:
    return Team()


@pytest.fixture
def other_team(platform_db: None) -> Team:
    return Team()


@pytest.fixture
def sign_in(web: str, settings: Settings) -> Iterator[SignIn]:
    with signing_in(web, settings) as sign_in:
        yield sign_in


@pytest.fixture
def clozone(environment: dict[str, str]) -> Clozone:
    return command_in(environment)
