"""One instance of the application. Arguments: a contender's name, the port, maybe a descriptor."""

import asyncio
import os
import sys
from typing import NoReturn

from bench.reload.app import make_app
from hypercorn.asyncio import serve
from hypercorn.config import Config

from clozone.settings import Settings
from clozone.web.install import install_web
from clozone.web.serving import Takeover, serve_until_signalled


def with_hypercorn(port: str, **settings: float) -> None:
    """Hypercorn as its documentation starts it, with these of its settings changed."""
    config = Config.from_mapping(bind=[f"127.0.0.1:{port}"], **settings)
    asyncio.run(serve(make_app(), config))


def with_clozone(port: str, ready_fd: str = "") -> None:
    """The platform's own server; with a descriptor, it takes over from whoever has the port now."""
    app = make_app()
    install_web(app, Settings(), _nobody)
    takeover = Takeover(_nothing_missing, lambda: _announce(int(ready_fd))) if ready_fd else None
    asyncio.run(serve_until_signalled(app, Settings(), f"127.0.0.1:{port}", takeover))


def _nobody(_authorization: str | None, _api_key: str | None) -> NoReturn:
    raise NotImplementedError("nobody signs in here")


async def _nothing_missing() -> list[str]:
    return []


def _announce(descriptor: int) -> None:
    os.write(descriptor, b"\n")


def main(contender: str, port: str, ready_fd: str = "") -> None:
    """Serve until SIGTERM."""
    if contender == "defaults":
        with_hypercorn(port)
    elif contender == "tuned":
        # Above the longest request, and above nginx's own patience with an idle connection.
        with_hypercorn(port, graceful_timeout=10, keep_alive_timeout=75)
    else:
        with_clozone(port, ready_fd)


if __name__ == "__main__":
    main(*sys.argv[1:])
