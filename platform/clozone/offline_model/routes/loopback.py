"""Who may switch faults on: callers on the same machine."""

from ipaddress import ip_address


def is_loopback(address: str | None) -> bool:
    """Whether a peer's address is one of this machine's own."""
    try:
        return address is not None and ip_address(address).is_loopback
    except ValueError:
        return False
