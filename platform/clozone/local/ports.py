"""Ports: the public one is given, the others are free ones and stay the same at each start."""

import json
import socket
import zlib
from collections.abc import Iterable
from pathlib import Path

from clozone.local.errors import BundleError

LOOPBACK = "127.0.0.1"

# Below the range from which systems take ports for outgoing connections, which come and go. Each
# home begins to look in a block of its own, so that homes started at once do not meet.
_FIRST = 15_000
_BLOCK = 16
_BLOCKS = 1_000


def is_free(port: int, address: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` of `address` right now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_free(port: int, address: str) -> None:
    """Raise BundleError unless the public `port` can be had."""
    if is_free(port, address):
        return
    if not is_free(0, address):
        raise BundleError(f"CLOZONE_BIND is {address!r}, which is not an address of this machine.")
    if port < 1024:
        hint = "it may need root, or another program uses it"
    else:
        hint = "another program uses it"
    raise BundleError(
        f"Port {port} on {address} is not free: {hint}. Set CLOZONE_PORT to another port, for "
        f"example CLOZONE_PORT={port + 1 if port < 65_535 else 8080} clozone up."
    )


def choose_ports(file: Path, names: Iterable[str]) -> dict[str, int]:
    """A free port for each name: the remembered one where it still is free. Saves the choice."""
    remembered = _read(file)
    chosen: dict[str, int] = {}
    candidates = iter(_candidates(str(file)))
    for name in names:
        port = remembered.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            taken = {*chosen.values(), *remembered.values()}
            port = next((p for p in candidates if p not in taken and is_free(p)), None)
        if port is None:
            raise BundleError("No free port is left between 15000 and 31000.")
        chosen[name] = port
    if chosen != {name: remembered.get(name) for name in chosen}:
        file.write_text(json.dumps(remembered | chosen, indent=2))
    return chosen


def _candidates(seed: str) -> Iterable[int]:
    start = zlib.crc32(seed.encode()) % _BLOCKS
    for offset in range(_BLOCKS):
        first = _FIRST + (start + offset) % _BLOCKS * _BLOCK
        yield from range(first, first + _BLOCK)


def _read(file: Path) -> dict[str, int]:
    try:
        stored = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict):
        return {}
    return {name: port for name, port in stored.items() if isinstance(port, int)}
