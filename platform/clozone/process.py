"""What the processes behind the web have in common: a name, a heartbeat, a graceful end."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from loguru import logger

from clozone.infra.heartbeat import beat
from clozone.infra.redis import sync_redis
from clozone.settings import Settings


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; a second signal ends the process at once."""
    stop = threading.Event()

    def ask(_signum: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def announce_ready(descriptor: int | None) -> None:
    """Tell whoever started this process that it is at work: a line to `descriptor`, if given."""
    if descriptor is None:
        return
    # Whoever wanted to know may be gone.
    with suppress(OSError):
        os.write(descriptor, b"\n")
        os.close(descriptor)


def process_name(settings: Settings) -> str:
    """A name no other process shares, for leases and heartbeats."""
    return f"{settings.clozone_instance}@{socket.gethostname()}:{os.getpid()}"


def heartbeat(settings: Settings, kind: str) -> Callable[[], None]:
    """Send a first sign of life; what is returned sends the next. Never fails."""
    client = sync_redis(settings.redis_url)
    name = process_name(settings)

    def pulse() -> None:
        try:
            beat(client, kind, name)
        except Exception as error:
            logger.bind(error=str(error)).warning("heartbeat not sent")

    pulse()
    return pulse
