"""The platform's own server around the same application. Arguments: the port, and a descriptor."""

import asyncio
import os
import sys
from typing import NoReturn

from bench.reload.app import make_app

from clozone.settings import Settings
from clozone.web.install import install_web
from clozone.web.serving import Takeover, serve_until_signalled


def main(port: str, ready_fd: str = "") -> None:
    """Serve until SIGTERM; with a descriptor, take over from the process that has the port now."""
    app = make_app()
    settings = Settings()
    install_web(app, settings, _nobody)
    takeover = Takeover(_nothing_missing, lambda: _announce(int(ready_fd))) if ready_fd else None
    asyncio.run(serve_until_signalled(app, settings, f"127.0.0.1:{port}", takeover))


def _nobody(_authorization: str | None, _api_key: str | None) -> NoReturn:
    raise NotImplementedError("nobody signs in here")


async def _nothing_missing() -> list[str]:
    return []


def _announce(descriptor: int) -> None:
    os.write(descriptor, b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
