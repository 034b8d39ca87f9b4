import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop
from outbound_probe import OK
from tests.support.foreign_server import ForeignServer


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both: web processes run on uvloop, whose transports are not quite asyncio's."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def server() -> Iterator[ForeignServer]:
    with ForeignServer(OK) as server:
        yield server
