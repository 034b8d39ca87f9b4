import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import dummy_api
import httpx2
import pytest
import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from clozone.app import create_app
from clozone.infra.postgres import init_database
from clozone.infra.rate_limit import KEY_PREFIX
from clozone.infra.redis import sync_redis
from clozone.settings import Settings


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that web processes run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def servers(environment: dict[str, str]) -> dict[str, str]:
    """The addresses of this test worker's servers, by the names of the settings."""
    names = {name.lower(): value for name, value in environment.items()}
    return {name: names[name] for name in Settings.model_fields if name in names}


@pytest.fixture
def forget_limits(servers: dict[str, str]) -> Callable[[], None]:
    """Makes every client a new one."""
    client = sync_redis(servers["redis_url"])

    def forget() -> None:
        for key in client.scan_iter(f"{KEY_PREFIX}:*"):
            client.delete(key)

    return forget


@pytest.fixture
def make_settings(servers: dict[str, str], forget_limits) -> Callable[..., Settings]:
    """Makes settings for a web process; every test starts with empty limits."""
    forget_limits()
    return lambda **changes: Settings(**{**servers, "clozone_instance": "web-1", **changes})


@dataclass
class Running:
    """A web process's application, served by Hypercorn on a loopback port."""

    app: Quart
    port: int
    client: httpx2.Client


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    app = create_app(settings, authenticate=dummy_api.authenticate)
    app.register_blueprint(dummy_api.blueprint)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.5
    config.errorlog = None
    stop, loop = asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve(app, config, shutdown_trigger=stop.wait))
    )
    thread.start()
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10)
    try:
        yield Running(app, port, client)
    finally:
        client.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def start(make_settings) -> Iterator[Callable[..., Running]]:
    """Starts an application with these settings."""
    open_ones = []

    def start_one(**changes: object) -> Running:
        manager = running(make_settings(**changes))
        server = manager.__enter__()
        open_ones.append(manager)
        return server

    yield start_one
    for manager in reversed(open_ones):
        manager.__exit__(None, None, None)
    # The pool belongs to the process: give it back to the tests that work on the database.
    init_database(make_settings())


@pytest.fixture
def site(start) -> Running:
    """An application with the default settings."""
    return start()
