from collections.abc import Iterator

import pytest
from outbound_probe import OK
from tests.support.foreign_server import ForeignServer


@pytest.fixture
def server() -> Iterator[ForeignServer]:
    with ForeignServer(OK) as server:
        yield server
