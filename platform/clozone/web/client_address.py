"""The address a request is counted under."""

from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address

UNKNOWN = "unknown"
IPV6_PREFIX = 56  # what one customer is usually given; single addresses of it are free to make


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted_proxies: int) -> str:
    """The address of the client.

    `peer` is who connected, `forwarded_for` the values of X-Forwarded-For, in order. Each trusted
    proxy appended the address it saw; whatever stands left of those anyone could have written.
    """
    seen = [entry.strip() for value in forwarded_for for entry in value.split(",")]
    path = [*seen, peer or ""]
    for entry in path[max(0, len(path) - 1 - trusted_proxies) :]:
        if address := _parse(entry):
            return address
    return UNKNOWN


def limit_group(address: str) -> str:
    """What is counted as one client: an IPv4 address, or an IPv6 network of /56."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed)


def _parse(entry: str) -> str | None:
    """An address out of `1.2.3.4`, `1.2.3.4:5678`, `::1`, `[::1]:5678`; None for anything else."""
    text = entry.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
