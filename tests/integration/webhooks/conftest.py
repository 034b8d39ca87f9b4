from collections.abc import Iterator

import httpx2
import pytest
from inbox_probe import Inbox
from tests.support.practice import Practice

from clozone.settings import Settings


@pytest.fixture
def practice(platform_db: None) -> Practice:
    """An organisation of this test's own."""
    return Practice()


@pytest.fixture
def stranger(platform_db: None) -> Practice:
    """Another organisation."""
    return Practice()


@pytest.fixture(scope="session")
def inbox(web: str, settings: Settings, platform_db: None) -> Iterator[Inbox]:
    """The inbox behind a web process; connections are kept alive."""
    with httpx2.Client(base_url=web, timeout=30, trust_env=False) as client:
        yield Inbox(client, settings)
