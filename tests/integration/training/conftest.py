from collections.abc import Iterator

import pytest
from tests.support.people import SignIn, Team, signing_in

from clozone.settings import Settings


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
