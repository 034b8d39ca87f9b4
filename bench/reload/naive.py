"""Hypercorn as its documentation starts it. Arguments: the port, and its graceful timeout."""

import asyncio
import sys

from bench.reload.app import make_app
from hypercorn.asyncio import serve
from hypercorn.config import Config


def main(port: str, graceful_timeout: str, keep_alive_timeout: str) -> None:
    """Serve until SIGTERM."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = float(graceful_timeout)
    config.keep_alive_timeout = float(keep_alive_timeout)
    asyncio.run(serve(make_app(), config))


if __name__ == "__main__":
    main(*sys.argv[1:])
